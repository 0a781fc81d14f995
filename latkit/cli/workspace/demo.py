"""`latkit demo`: latkit on this machine, verb by verb, in under four minutes. Read it as a tutorial."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from latkit.cli.console import emit_json, note, show_facts, showing_progress
from latkit.cli.options import AsJson
from latkit.errors import UsageError

DEVICE = "this-machine"
NETWORKS = 8
TARGET_SHARE = 0.4
"""Where the target lies between the fastest and the slowest network of the space."""
BRIEF: dict[str, Any] = {"rounds": 6, "round_s": 0.05, "extra_rounds": 3, "wait_s": 300.0}
"""How long each op and network is measured, briefly, and how long to wait if this machine is in use."""


def demo(
    directory: Annotated[Path, typer.Argument(help="Folder for the demo's own workspace; must be empty.")] = Path(
        "latkit-demo"
    ),
    as_json: AsJson = False,
) -> None:
    """Register this machine, measure a small space on it, fit, search on real images, validate and report."""
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"expected a folder for the demo, but found that {directory} is a file")
    if directory.exists() and any(directory.iterdir()):
        raise UsageError(f"expected an empty folder for the demo, but found files in {directory}")
    from latkit.devices import Local
    from latkit.spaces import proxyless_tiny
    from latkit.targets import Target
    from latkit.workspace import Workspace
    from latkit.workspace.requests import (
        AddDeviceRequest,
        CollectRequest,
        ExportTableRequest,
        FitRequest,
        ReportRequest,
        SearchRequest,
        ValidateRequest,
    )

    begun = time.monotonic()
    with showing_progress() as callbacks:
        # A workspace is a folder: everything below is saved in it.
        workspace = Workspace.init(directory)

        note("1/6  register this machine as a device: latkit device add this-machine --local")
        device = workspace.add_device(AddDeviceRequest(name=DEVICE, address=Local(), python=sys.executable))

        # A target is a device with a runtime and its settings; a space holds the candidates of every layer.
        target, space = Target(DEVICE, "onnxruntime"), proxyless_tiny(resolution=16)

        note(f"2/6  measure the candidate ops of {space.name} and {NETWORKS} networks: latkit collect space {target}")
        collecting = CollectRequest(targets=(target,), space=space, networks=NETWORKS, **BRIEF)
        (collected,) = workspace.collect(collecting, callbacks)

        note(f"3/6  fit latency models on the measurements: latkit fit {target}")
        workspace.fit(FitRequest(target=target, space=space))

        note(f"4/6  compare predictions with networks that the models have not seen: latkit validate {target}")
        validating = ValidateRequest(target=target, space=space, networks=NETWORKS, **BRIEF)
        validation = workspace.validate(validating, callbacks)

        # The table gives the seconds of every candidate: the range of latencies to choose from.
        table = workspace.export_table(ExportTableRequest(target=target, space=space, output=directory / "table.json"))
        goal_s = table.fastest() + TARGET_SHARE * (table.slowest() - table.fastest())

        note(f"5/6  search for the most accurate network at {1e3 * goal_s:.2f} ms: latkit search {target}")
        searching = SearchRequest(
            targets=(target,),
            space=space,
            data="digits",
            latencies_s=(goal_s,),
            name="digits",
            quick=True,
            wait_s=300.0,
        )
        found = workspace.search(searching, callbacks).found

        note("6/6  write the report: latkit report")
        report = workspace.report(ReportRequest(output=directory / "report.html"))
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
            "ops and networks measured": collected.summary.workloads if collected.summary else 0,
            "validation error": f"{validation.mape_percent:.2f} % on {validation.networks} unseen networks",
            "repeatability": f"{validation.repeatability_mape_percent:.2f} % (the same networks measured twice)",
            "latency requested": f"{document['target_latency_ms']:.3f} ms",
            "latency predicted": f"{document['predicted_latency_ms']:.3f} ms",
            "latency measured": f"{document['measured_latency_ms']:.3f} ms",
            found.result.metric.title: f"{found.result.metric.format(found.result.score)} of the test digits",
            "report": str(report),
        },
    )


COMMANDS = (demo,)
