"""`latkit demo`: the whole of latkit on this machine, in under four minutes."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from latkit.cli.console import ConsoleProgress, emit_json, note, show_facts
from latkit.cli.options import AsJson
from latkit.errors import UsageError

DEVICE = "this-machine"
NETWORKS = 8
TARGET_SHARE = 0.4
"""Where the target lies between the fastest and the slowest network of the space."""


def demo(
    directory: Annotated[Path, typer.Argument(help="Folder for the demo's own workspace; made anew.")] = Path(
        "latkit-demo"
    ),
    as_json: AsJson = False,
) -> None:
    """Register this machine, measure a small space on it, fit, search on real images, validate and report."""
    if directory.exists() and any(directory.iterdir()):
        raise UsageError(f"expected an empty folder for the demo, but found files in {directory}")
    from latkit.devices import Local, add_device
    from latkit.evaluation.validation import fit_networks, validate
    from latkit.report import write_report
    from latkit.search import SearchSettings, load_data
    from latkit.spaces import proxyless_tiny
    from latkit.tables import LatencyTable
    from latkit.targets import Target
    from latkit.timing import TimingPlan
    from latkit.workspace import Workspace, fit_workloads
    from latkit.workspace.search import search

    begun = time.monotonic()
    workspace, target = Workspace.init(directory), Target(DEVICE, "onnxruntime")
    plan, space = TimingPlan(rounds=6, round_s=0.05, extra_rounds=3), proxyless_tiny(resolution=16)
    with ConsoleProgress() as progress:
        note("1/5  registering this machine")
        device = add_device(workspace.devices_dir, DEVICE, Local(), python=sys.executable)
        note(f"2/5  measuring every candidate op of {space.name}, and {NETWORKS} networks, on {target}")
        with workspace.collection(target, plan, progress) as collection:
            summary = collection.run([*fit_workloads(space), *fit_networks(space, NETWORKS)])
        note("3/5  fitting latency models, and validating them on networks they have not seen")
        model = workspace.fit(target, space, "lookup")
        workspace.fit(target, space, "xgboost")
        with workspace.collection(target, plan, progress) as collection:
            validation = validate(collection, model, space, NETWORKS)
        validation.save(workspace.validation_path(target, space, "lookup"))
        table = LatencyTable(space, model)
        goal_s = table.fastest() + TARGET_SHARE * (table.slowest() - table.fastest())
        note(f"4/5  searching for the most accurate network at {1e3 * goal_s:.2f} ms, and training it")
        images = load_data("digits", space.input_shape[-1], space.input_shape[0])
        found = search(workspace, target, space, images, goal_s, "digits", SearchSettings.quick(), progress)
        note("5/5  writing the report")
        report = directory / "report.html"
        write_report(workspace, None, report)
    document = found.document()
    if as_json:
        figures = validation.model_dump(mode="json", exclude={"results"})
        emit_json({"validation": figures, "search": document, "report": str(report)})
        return
    show_facts(
        f"latkit demo, {time.monotonic() - begun:.0f} s",
        {
            "device": f"{device.facts.model}, {len(device.facts.cores)} cores",
            "target": str(target),
            "ops and networks measured": summary.workloads,
            "validation error": f"{validation.mape_percent:.2f} % on {validation.networks} unseen networks",
            "repeatability": f"{validation.repeatability_mape_percent:.2f} % (the same networks measured twice)",
            "latency requested": f"{document['target_latency_ms']:.3f} ms",
            "latency predicted": f"{document['predicted_latency_ms']:.3f} ms",
            "latency measured": f"{document['measured_latency_ms']:.3f} ms",
            "accuracy": f"{100 * found.result.accuracy:.1f} % of the test digits",
            "report": str(report),
        },
    )


COMMANDS = (demo,)
