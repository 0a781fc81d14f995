"""`latkit collect space|kernels|model`: measure what targets still lack."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from latkit.cli.console import showing_progress
from latkit.cli.old_spellings import CollectGroup, Command, ModelCommand
from latkit.cli.options import (
    AsJson,
    BenchmarkFlags,
    BenchmarkTool,
    Channels,
    Classes,
    ExtraRounds,
    InputShapes,
    MaxCelsius,
    MaxSeconds,
    Pin,
    Rebaseline,
    Resolution,
    Rounds,
    RoundSeconds,
    Sources,
    SpaceName,
    TargetNames,
    Wait,
    Width,
    workspace_folder,
)

app = typer.Typer(
    cls=CollectGroup,
    help="Measure what targets still lack. Devices are measured in parallel, the targets of one device in sequence.",
)


@app.command(cls=Command)
def space(
    context: typer.Context,
    targets: TargetNames,
    space: SpaceName,
    sources: Sources = None,
    networks: Annotated[int, typer.Option(min=0, help="Networks to measure for calibration.")] = 10,
    ops: Annotated[
        int, typer.Option(min=0, help="Ops beyond the space to measure, chosen where an XGBoost model errs.")
    ] = 0,
    max_seconds: MaxSeconds = None,
    rounds: Rounds = 6,
    round_seconds: RoundSeconds = 0.2,
    extra_rounds: ExtraRounds = 6,
    wait: Wait = 0.0,
    pin: Pin = None,
    max_celsius: MaxCelsius = None,
    benchmark_tool: BenchmarkTool = None,
    benchmark_flag: BenchmarkFlags = None,
    rebaseline: Rebaseline = False,
    resolution: Resolution = None,
    width: Width = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Measure every candidate op of a space, and some of its networks.

    With --from, only networks are measured: the most informative ones, given what other targets know already.
    """
    from latkit.cli.parsing import space_named, targets_named, tool_named

    fields = {
        "targets": targets_named(targets),
        "space": space_named(space, resolution, width, classes, channels),
        "sources": targets_named(sources),
        "networks": networks,
        "ops": ops,
        "max_seconds": max_seconds,
        "rounds": rounds,
        "round_s": round_seconds,
        "extra_rounds": extra_rounds,
        "wait_s": wait,
        "cores": pin,
        "max_celsius": max_celsius,
        "benchmark_tool": tool_named(benchmark_tool, benchmark_flag),
        "rebaseline": rebaseline,
    }
    _collect(context, fields, space, as_json)


@app.command(cls=Command)
def kernels(
    context: typer.Context,
    targets: TargetNames,
    count: Annotated[int, typer.Option(min=1, help="How many kernels to measure.")] = 400,
    max_seconds: MaxSeconds = None,
    rounds: Rounds = 6,
    round_seconds: RoundSeconds = 0.2,
    extra_rounds: ExtraRounds = 6,
    wait: Wait = 0.0,
    pin: Pin = None,
    max_celsius: MaxCelsius = None,
    rebaseline: Rebaseline = False,
    as_json: AsJson = False,
) -> None:
    """Measure kernels of ONNX networks, so that any network in ONNX can be predicted."""
    from latkit.cli.parsing import targets_named

    fields = {
        "targets": targets_named(targets),
        "kernels": count,
        "max_seconds": max_seconds,
        "rounds": rounds,
        "round_s": round_seconds,
        "extra_rounds": extra_rounds,
        "wait_s": wait,
        "cores": pin,
        "max_celsius": max_celsius,
        "rebaseline": rebaseline,
    }
    _collect(context, fields, None, as_json)


@app.command(cls=ModelCommand)
def model(
    context: typer.Context,
    items: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET... MODEL...", help="Targets such as pi4/tflite-t4, and files ending in .onnx or .tflite."
        ),
    ],
    shape: InputShapes = None,
    max_seconds: MaxSeconds = None,
    rounds: Rounds = 6,
    round_seconds: RoundSeconds = 0.2,
    extra_rounds: ExtraRounds = 6,
    wait: Wait = 0.0,
    pin: Pin = None,
    max_celsius: MaxCelsius = None,
    rebaseline: Rebaseline = False,
    as_json: AsJson = False,
) -> None:
    """Measure model files as a whole, and their own kernels."""
    from latkit.cli.parsing import targets_named
    from latkit.cli.profiling.model_arguments import parse_shapes, split_items

    targets, models = split_items(items)
    fields = {
        "targets": targets_named(targets),
        "models": tuple(models),
        "shapes": parse_shapes(shape),
        "max_seconds": max_seconds,
        "rounds": rounds,
        "round_s": round_seconds,
        "extra_rounds": extra_rounds,
        "wait_s": wait,
        "cores": pin,
        "max_celsius": max_celsius,
        "rebaseline": rebaseline,
    }
    _collect(context, fields, None, as_json)


def _collect(context: typer.Context, fields: dict[str, Any], space: str | None, as_json: bool) -> None:
    """Carry out a request, and show the outcome of each target. Exits with 1 if one failed."""
    from latkit.cli.render.collection import Shown, predictions, show_outcomes
    from latkit.workspace.requests import CollectRequest
    from latkit.workspace.target_verbs import TargetVerbs

    request = CollectRequest(**fields)
    workspace = TargetVerbs(workspace_folder(context))
    with showing_progress() as callbacks:
        outcomes = workspace.collect(request, callbacks)
        found = predictions(workspace, request, outcomes)
    show_outcomes(request, outcomes, Shown(space, found), as_json)
    if any(outcome.failed for outcome in outcomes):
        raise typer.Exit(1)
