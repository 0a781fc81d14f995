"""`latkit collect` and `latkit measurements`: what was measured."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from latkit.cli.console import ConsoleProgress, emit_json, note, say
from latkit.cli.options import (
    AsJson,
    Classes,
    MaxSeconds,
    Resolution,
    SpaceName,
    TargetName,
    Visits,
    VisitSeconds,
    Width,
    check_output,
    workspace_folder,
)

measurements_app = typer.Typer(help="Take measurements from one machine to another.", no_args_is_help=True)


def collect(
    context: typer.Context,
    target: TargetName,
    space: SpaceName,
    networks: Annotated[int, typer.Option(min=0, help="Whole networks to measure for calibration.")] = 10,
    max_seconds: MaxSeconds = None,
    visits: Visits = 6,
    visit_seconds: VisitSeconds = 0.2,
    resolution: Resolution = None,
    width: Width = None,
    classes: Classes = None,
    as_json: AsJson = False,
) -> None:
    """Measure what the target still lacks: every candidate op of the space, and a few whole networks."""
    from latkit.cli.named import space_named
    from latkit.targets import Target
    from latkit.timing import TimingPlan
    from latkit.validate import fit_networks
    from latkit.workspace import Workspace, fit_subjects

    where, plan = Target.parse(target), TimingPlan(visits, visit_seconds)
    wanted = space_named(space, resolution, width, classes)
    workspace = Workspace(workspace_folder(context))
    subjects = [*fit_subjects(wanted), *fit_networks(wanted, networks)]
    with ConsoleProgress() as progress, workspace.collection(where, plan, progress) as collection:
        collected = collection.run(subjects, max_seconds=max_seconds)
    if as_json:
        emit_json({"target": str(where), "space": wanted.name, **asdict(collected)})
    else:
        say(
            f"{where}: {collected.visits} visits made of {collected.subjects} ops and networks, {collected.already} "
            f"were there, in {collected.seconds:.0f} s (inference {collected.inference_seconds:.0f} s)"
        )
    for title, reason in collected.failed.items():
        note(f"not measured: {title}: {reason}")
    if not collected.finished:
        note("the time ran out; run the same command again to go on")
    elif not as_json:
        say(f"next: latkit fit {where} --space {shlex.quote(space)}")
    if collected.failed:
        raise typer.Exit(1)


@measurements_app.command()
def export(
    context: typer.Context,
    target: TargetName,
    output: Annotated[Path, typer.Option("--output", "-o", help="Parquet file; its card stands beside it as .md.")],
    as_json: AsJson = False,
) -> None:
    """Write a target's measurements, raw samples and all, as Parquet with a card."""
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
        for name, visits in written.items():
            say(f"{name}: {visits} visits read, those already here left out")


def _device_lines(folder: Path, name: str) -> list[str]:
    """What is known of the device; nothing where it is not registered in this workspace."""
    from latkit.devices import load_device
    from latkit.devices.describe import describe

    if not (folder / f"{name}.toml").is_file():
        return []
    facts = describe(load_device(folder, name))
    return [f"- {label.capitalize()}: {facts[label]}" for label in ("model", "cores", "memory", "governor", "system")]


COMMANDS = (collect,)
