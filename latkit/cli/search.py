"""`latkit search`: the most accurate network at a given latency on a given target, or one for each of several."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Annotated

import typer

from latkit.cli.console import ConsoleProgress, note
from latkit.cli.options import (
    AsJson,
    Binary,
    BinaryFlags,
    Channels,
    Classes,
    ModelKind,
    Resolution,
    Wait,
    Width,
    workspace_folder,
)
from latkit.errors import UsageError


def search(
    context: typer.Context,
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET...", help="Device, runtime and settings, such as pi4/tflite-t4."),
    ] = None,
    space: Annotated[str | None, typer.Option("--space", help="A built-in search space, or a TOML file.")] = None,
    data: Annotated[
        str | None, typer.Option(help="Images: digits, an .npz file, a folder, idx:FOLDER, or hf:NAME of Hugging Face.")
    ] = None,
    latency_ms: Annotated[
        list[float] | None,
        typer.Option(
            "--latency-ms",
            min=0,
            help="The latency to reach, in milliseconds; repeat for each target, or for a series.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="NAME", help="The search's folder under search/; of several, how they begin."
        ),
    ] = None,
    model: ModelKind = "lookup",
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything drawn.")] = 0,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit",
            metavar="WHAT<=MOST",
            help="An upper bound besides: macs<=20e6, params<=1e6, peak_bytes<=2e5, or TARGET<=12 in milliseconds.",
        ),
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A search setting, such as epochs=60.")
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A finished search whose network the found one learns from as well."),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Train beside it, at its latency: random:5, evolution, mobilenetv2; repeat."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A minute's search, to try things out.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a search that was interrupted.")] = False,
    repeat: Annotated[
        str | None,
        typer.Option(
            "--repeat",
            metavar="NAME",
            help="Do a finished search again as its recipe says, and compare; needs no other words. -o: its new name.",
        ),
    ] = None,
    wait: Wait = 0.0,
    binary: Binary = None,
    binary_flag: BinaryFlags = None,
    resolution: Resolution = None,
    width: Width = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Search for the most accurate network at a latency; train, export and measure it.

    Several targets, or several latencies, are searched in sequence and share the warm-up; then every network is
    measured on every target.
    """
    from latkit.cli.collecting import tool_of
    from latkit.cli.limits import parse_limits
    from latkit.cli.parsing import space_named
    from latkit.cli.render.search import print_search
    from latkit.cli.reproduce import check_repeat_options
    from latkit.cli.reproduce import repeat as reproduce_search
    from latkit.cli.series import search_all
    from latkit.search import SearchSettings, load_data, load_network
    from latkit.search.baselines import BaselineRequest, check_baselines
    from latkit.search.training.runtime_env import is_first_process
    from latkit.targets import Target
    from latkit.workspace import Workspace
    from latkit.workspace.baselines import Measuring, check_mobilenet
    from latkit.workspace.constraints import constraints_of
    from latkit.workspace.cross_evaluation import CrossEvaluation
    from latkit.workspace.multi_search import Series
    from latkit.workspace.preflight import prepared
    from latkit.workspace.search import search as run_search
    from latkit.workspace.worker import follow

    if repeat:
        check_repeat_options(context)
    workspace = Workspace(workspace_folder(context))
    learned_from = load_network(workspace.search_dir(teacher)) if teacher else None
    if repeat:
        reproduce_search(workspace, repeat, name or f"{repeat}-again", data, learned_from, resume, as_json)
        return
    if not (targets and space and data and latency_ms and name):
        raise _lacking(zip(NEEDED, (targets, space, data, latency_ms, name), strict=True))
    wheres = [Target.parse(target) for target in targets]
    series = Series.plan(name, wheres, [one_ms / 1e3 for one_ms in latency_ms])
    tool = tool_of(binary, binary_flag, *wheres)
    search_space = space_named(space, resolution, width, classes, channels)
    images = load_data(data, search_space.input_shape[-1], search_space.input_shape[0])
    changes: dict[str, object] = {"seed": seed, **dict(_assignment(text) for text in setting or ())}
    settings = (
        SearchSettings.quick(**changes) if quick else SearchSettings.for_images(len(images.train.labels), **changes)
    )
    baselines = [BaselineRequest.parse(text) for text in baseline or ()]
    check_baselines(settings, baselines)
    limits = constraints_of(workspace, search_space, parse_limits(limit or ()), model)
    if not is_first_process():
        follow(workspace, series, search_space, images, settings, learned_from, limits, baselines)
        return
    with ConsoleProgress() as progress:
        one = partial(
            run_search,
            workspace,
            space=search_space,
            data=images,
            settings=settings,
            progress=progress,
            kind=model,
            wait_s=wait,
            on_message=note,
            tool=tool,
            teacher=learned_from,
            constraints=limits,
            baselines=baselines,
        )
        if len(series.members) > 1:

            def precheck(*, target: Target, target_latency_s: float, name: str, resume: bool) -> None:
                prepare = partial(prepared, workspace, target, search_space, target_latency_s, name, settings)
                fitted, _ = prepare(kind=model, resume=resume, tool=tool, constraints=limits, baselines=baselines)
                measuring = Measuring(workspace, target, fitted, progress, wait, note, tool)
                check_mobilenet(measuring, search_space, target_latency_s, name, baselines)

            evaluation = CrossEvaluation(workspace, progress, model, wait, note, tool)
            search_all(evaluation, series, one, precheck, resume, as_json)
            return
        found = one(target=wheres[0], target_latency_s=latency_ms[0] / 1e3, name=name, resume=resume)
    print_search(workspace, name, found, as_json)


NEEDED = ("TARGET", "--space", "--data", "--latency-ms", "--output")
"""What a search requires and a reproduction does not."""


def _lacking(required: Iterable[tuple[str, object]]) -> UsageError:
    lacking = ", ".join(word for word, value in required if not value)
    return UsageError(
        f"expected {', '.join(NEEDED)}, but found no {lacking}; to do a finished search again: "
        "latkit search --repeat NAME"
    )


def _assignment(text: str) -> tuple[str, object]:
    """`epochs=60` as a name and a value."""
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"expected NAME=VALUE, but found {text!r}", param_hint="--set")
    return name, value


COMMANDS = (search,)
