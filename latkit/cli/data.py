"""`latkit collect` and `latkit measurements`: measurements made, exported, imported and repaired."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from latkit.cli.console import ConsoleProgress, emit_json, note, say
from latkit.cli.options import (
    AsJson,
    Binary,
    BinaryFlags,
    Channels,
    Classes,
    ExtraRounds,
    InputShapes,
    MaxCelsius,
    MaxSeconds,
    Pin,
    Resolution,
    Rounds,
    RoundSeconds,
    Sources,
    TargetName,
    TargetNames,
    Wait,
    Width,
    check_one_of,
    check_output,
    workspace_folder,
)

measurements_app = typer.Typer(help="Take measurements from one machine to another.", no_args_is_help=True)


def collect(
    context: typer.Context,
    targets: TargetNames,
    space: Annotated[str | None, typer.Option("--space", help="A built-in search space, or a TOML file.")] = None,
    kernels: Annotated[
        int | None, typer.Option(min=1, help="Instead of a space: so many kernels of foreign networks.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="Instead of a space: an ONNX file's own kernels, and itself.")
    ] = None,
    shape: InputShapes = None,
    sources: Sources = None,
    networks: Annotated[int, typer.Option(min=0, help="Whole networks to measure for calibration.")] = 10,
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
    binary: Binary = None,
    binary_flag: BinaryFlags = None,
    rebaseline: Annotated[
        bool, typer.Option("--new-scale", help="Measure all anew: the device has come to another speed, and stays so.")
    ] = False,
    resolution: Resolution = None,
    width: Width = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Measure what the targets still lack: every candidate op of the space, and a few whole networks; or kernels.

    With --from, only networks are measured: the most informative ones, given what other targets know already.
    Devices are measured in parallel, the targets of one device in sequence.
    """
    from latkit.cli.collecting import Order, Outcome, collect_side_by_side, print_outcome, tool_of
    from latkit.cli.onnx_models import OnnxOrder, parse_shapes, read_graphs, shown_inputs
    from latkit.cli.parsing import space_named
    from latkit.cli.transfer import transfer_subjects
    from latkit.devices import Cooling, cores_of, load_device
    from latkit.evaluation.validation import fit_networks
    from latkit.targets import Target
    from latkit.timing import TimingPlan
    from latkit.workspace import Workspace, fit_workloads

    where = list(dict.fromkeys(Target.parse(target) for target in targets))
    check_one_of(space=space, kernels=kernels, model=model)
    tool = tool_of(binary, binary_flag, *where)
    plan = TimingPlan(rounds, round_seconds, extra_rounds=extra_rounds)
    workspace, cooling = Workspace(workspace_folder(context)), Cooling(max_celsius)
    cores = {one: cores_of(load_device(workspace.devices_dir, one.device), pin) for one in where} if pin else {}
    order: Order
    if space:
        search_space = space_named(space, resolution, width, classes, channels)
        if sources:
            workloads = transfer_subjects(workspace, where, sources, search_space, networks)
        else:
            workloads = [*fit_workloads(search_space), *fit_networks(search_space, networks)]
        order = Order(
            workspace, workloads, plan, max_seconds, wait, cores, cooling, search_space, ops, rebaseline, tool=tool
        )
    else:
        graphs = read_graphs(where, model, parse_shapes(shape or [])) if model else {}
        for one, graph in graphs.items():
            note(f"{one}: {model} with inputs of {shown_inputs(graph)}")
        order = OnnxOrder(
            workspace, (), plan, max_seconds, wait, cores, cooling, None, 0, rebaseline, kernels or 0, graphs, tool=tool
        )
    with ConsoleProgress() as progress:
        if len(where) == 1:
            outcomes = [Outcome(where[0], order.collect(where[0], progress, note))]
        else:
            outcomes = collect_side_by_side(
                order, where, progress, lambda target: lambda text: note(f"{target}: {text}")
            )
    documents = [{"space": order.space.name if order.space else None, **outcome.document()} for outcome in outcomes]
    if as_json:
        emit_json(documents[0] if len(where) == 1 else {"targets": documents})
    for outcome in outcomes:
        print_outcome(outcome, space, as_json)
    if any(outcome.failed for outcome in outcomes):
        raise typer.Exit(1)


@measurements_app.command()
def export(
    context: typer.Context,
    target: TargetName,
    output: Annotated[Path, typer.Option("--output", "-o", help="Parquet file; its card stands beside it as .md.")],
    as_json: AsJson = False,
) -> None:
    """Write a target's measurements, raw samples included, as Parquet with a card."""
    from latkit.measurements import card_path, write_card, write_parquet
    from latkit.targets import Target
    from latkit.workspace import Workspace

    where = Target.parse(target)
    check_output(output)
    workspace = Workspace(workspace_folder(context))
    measurements = workspace.measurements(where)
    card = write_card(measurements, _device_lines(workspace.devices_dir, where.device), sys.argv[1:])
    write_parquet(measurements, output, card)
    if as_json:
        emit_json({"file": str(output), "card": str(card_path(output)), "measurements": len(measurements)})
    else:
        say(f"{len(measurements)} measurements in {output}, described in {card_path(output)}")


@measurements_app.command(name="import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Parquet file that `latkit measurements export` wrote.")],
    as_json: AsJson = False,
) -> None:
    """Read measurements made on another machine into this workspace."""
    from latkit.measurements import read_parquet
    from latkit.workspace import Workspace

    workspace = Workspace(workspace_folder(context))
    written: dict[str, int] = {}
    measurements = read_parquet(file)
    for where in {measurement.target for measurement in measurements}:
        with workspace.store(where) as store:
            written[str(where)] = store.add_all(m for m in measurements if m.target == where)
    if as_json:
        emit_json({"file": str(file), "visits": written})
    else:
        for name, rounds in written.items():
            say(f"{name}: {rounds} visits read, those already here left out")


@measurements_app.command()
def repair(context: typer.Context, target: TargetName, as_json: AsJson = False) -> None:
    """Remove what cannot be read from a target's measurements, and keep the rest.

    What another installation can read stays: ops of a package that is not installed here.
    """
    from latkit.errors import NotMeasured
    from latkit.measurements.unreadable import summary
    from latkit.targets import Target
    from latkit.workspace import Workspace

    workspace, where = Workspace(workspace_folder(context)), Target.parse(target)
    if not workspace.has_measurements(where):
        raise NotMeasured(f"nothing was measured on {where} yet")
    with workspace.store(where) as store:
        found = store.unreadable()
        spoilt = [row for row in found if row.is_spoilt]
        store.remove(spoilt)
    others = len(found) - len(spoilt)
    if as_json:
        removed = [{"table": row.table, "row": row.key, "reason": row.reason} for row in spoilt]
        emit_json({"target": str(where), "removed": removed, "unknown": others})
    else:
        say(f"{where}: removed {summary(spoilt)}" if spoilt else f"{where}: nothing to remove")
        if others:
            say(f"{where}: {others} of ops that are not installed here stay")


def _device_lines(folder: Path, name: str) -> list[str]:
    """What is known of the device; nothing if it is not registered in this workspace."""
    from latkit.devices import load_device
    from latkit.devices.device_info import describe

    if not (folder / f"{name}.toml").is_file():
        return []
    facts = describe(load_device(folder, name))
    return [f"- {label.capitalize()}: {facts[label]}" for label in ("model", "cores", "memory", "governor", "system")]


COMMANDS = (collect,)
