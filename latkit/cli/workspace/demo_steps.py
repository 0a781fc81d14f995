"""The steps of `latkit demo`, verb by verb. Read it as a tutorial."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latkit.cli.console import note
from latkit.devices import Device, Local
from latkit.evaluation.validation import Validation
from latkit.progress import Callbacks
from latkit.runtimes.onnxruntime import ONNXRUNTIME
from latkit.spaces import Space, proxyless_tiny
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
from latkit.workspace.searches.single_search import FinishedSearch

DEVICE = "this-machine"
NETWORKS = 8
TARGET_SHARE = 0.4
"""Where the target lies between the fastest and the slowest network of the space."""
BRIEF: dict[str, Any] = {"rounds": 6, "round_s": 0.05, "extra_rounds": 3, "wait_s": 300.0}
"""How long each op and network is measured, briefly, and how long to wait if this machine is in use."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo found."""

    device: Device
    target: Target
    measured: int
    """Ops and networks."""
    validation: Validation
    search: FinishedSearch
    report: Path


def run_demo(directory: Path, callbacks: Callbacks) -> Demo:
    """The steps, in a workspace of their own."""
    # A workspace is a folder: everything below is saved in it.
    workspace = Workspace.init(directory)

    note("1/6  register this machine as a device: latkit device add this-machine --local")
    device = workspace.add_device(AddDeviceRequest(name=DEVICE, address=Local(), python=sys.executable))

    # A target is a device with a runtime and its settings; a space holds the candidates of every layer.
    target, space = Target(DEVICE, ONNXRUNTIME.name), proxyless_tiny(resolution=16)

    note(f"2/6  measure the candidate ops of {space.name} and {NETWORKS} networks: latkit collect space {target}")
    to_collect = CollectRequest(targets=(target,), space=space, networks=NETWORKS, **BRIEF)
    (outcome,) = workspace.collect(to_collect, callbacks)

    note(f"3/6  fit latency models on the measurements: latkit fit {target}")
    workspace.fit(FitRequest(target=target, space=space))

    note(f"4/6  compare predictions with networks that the models have not seen: latkit validate {target}")
    to_validate = ValidateRequest(target=target, space=space, networks=NETWORKS, **BRIEF)
    validation = workspace.validate(to_validate, callbacks)

    goal_s = latency_goal(workspace, target, space)
    note(f"5/6  search for the most accurate network at {1e3 * goal_s:.2f} ms: latkit search {target}")
    goal: dict[str, Any] = {"data": "digits", "latencies_s": (goal_s,), "quick": True}
    to_search = SearchRequest(targets=(target,), space=space, name="digits", wait_s=300.0, **goal)
    found = workspace.search(to_search, callbacks).found

    note("6/6  write the report: latkit report")
    report = workspace.report(ReportRequest(output=directory / "report.html"))
    measured = outcome.summary.workloads if outcome.summary else 0
    return Demo(device, target, measured, validation, found, report)


def latency_goal(workspace: Workspace, target: Target, space: Space) -> float:
    """A latency in seconds to search for. A table, the seconds of every candidate, gives the range to choose from."""
    output = workspace.root / "table.json"
    table = workspace.export_table(ExportTableRequest(target=target, space=space, output=output))
    return table.fastest() + TARGET_SHARE * (table.slowest() - table.fastest())
