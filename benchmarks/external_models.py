"""Ten external architectures of transformers with random weights, and one of another tool: predicted, and measured.

On onnxruntime and tflite, in fp32 and int8. Each is predicted twice: from kernels none of which has the shape of one of
its own, and with its own measured. The model is calibrated on latkit's own families of networks alone.

    python benchmarks/external_models.py WORKSPACE [--device NAME] [--case onnxruntime-fp32] [--kernels 500] [--json]

It stops measuring after `--minutes`, 20 by default, shared by the cases that remain; exports come on top. What was
measured is kept in the workspace: run it again to go on. `--full` measures more kernels, longer. `--quick` shows in a
minute or two that it works.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.external_files import architectures, files_of
from latkit import Target, Workspace
from latkit.devices import Local, add_device
from latkit.errors import NotMeasured
from latkit.graphs import Graph, Rule, partition_graph
from latkit.latency_models.kernels import KernelModel, Prediction
from latkit.latency_models.kernels.features import MAX_TIMED, kernel_specs, timed_parts
from latkit.latency_models.kernels.fusion_file import FusionFile
from latkit.latency_models.kernels.model import MIN_KERNELS
from latkit.measurements import select
from latkit.profiling.fusion_probes import Probing, collect_kernels, collect_models
from latkit.progress import Callbacks, Progress, Silent
from latkit.runtimes import get_runtime
from latkit.timing import Measurement, TimingPlan, estimate, reference_seconds, select_estimator
from latkit.workspace import MeasureOptions

KERNEL_SHARE = 0.5
"""Of the time of a case, for the kernels of latkit's own families; the rest is for those of the networks."""
CASES = ("onnxruntime-fp32", "onnxruntime-int8", "tflite-fp32", "tflite-int8")


FIGURES = ("unmeasured_within_10_percent", "measured_within_10_percent")
QUICK_MINUTES = 2.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    kernels: int
    plan: TimingPlan
    """Of kernels."""
    network_plan: TimingPlan = field(default_factory=lambda: TimingPlan(rounds=6, round_s=0.1, extra_rounds=2))
    """Of the ten architectures as a whole."""


EFFORT = Effort(600, TimingPlan(rounds=2, round_s=0.04, extra_rounds=1))
FULL = Effort(500, TimingPlan(rounds=6, round_s=0.2))
QUICK = Effort(40, TimingPlan(rounds=2, round_s=0.02, extra_rounds=0), TimingPlan(rounds=2, round_s=0.02))


def judge_external_models(
    workspace: Workspace,
    target: Target,
    progress: Progress,
    effort: Effort,
    seconds: float = math.inf,
    names: Sequence[str] = (),
) -> dict[str, Any]:
    """Collect what is missing, and compare predictions with measurements; resumable."""
    made = {name: make for name, make in architectures().items() if not names or name in names}
    runtime = get_runtime(target.runtime)
    files = files_of(workspace.root / "files", target.runtime, target.precision, made)
    judged = {name: runtime.read_graph(path, {}, 1) for name, path in files.items()}
    path, graphs = workspace.fusion_path(target), list(judged.values())
    options, end = MeasureOptions(effort.plan, wait_s=math.inf), time.monotonic() + seconds
    with workspace.collection(target, options, Callbacks(progress)) as collection:
        collect_kernels(
            collection, path, effort.kernels, max(KERNEL_SHARE * seconds, 1.0) if seconds < math.inf else None
        )
        for number, graph in enumerate(graphs):
            left_s = (end - time.monotonic()) / (len(graphs) - number)
            collect_models(collection, path, [graph], max(left_s, 1.0) if seconds < math.inf else None)
        rules = FusionFile.load(path).holding if path.exists() else frozenset()
        # In the same passes as the networks of the calibration: what no cache holds depends on what else runs nearby.
        calibrating = networks_among(workspace.measurements(target), rules)
        Probing(replace(collection, plan=effort.network_plan), math.inf).measure([*graphs, *calibrating])
    if not path.exists():
        return nothing_measured(target, len(judged))
    used = select([m for m in workspace.measurements(target) if m.role == "fit"]).used
    own = {spec.key for graph in graphs for spec in kernel_specs(partition_graph(graph, rules))}
    theirs = [m for m in used if m.workload not in set(graphs)]
    without = [m for m in theirs if not contains(m, own, rules)]
    estimator = select_estimator(used)
    measured_s = latencies(used, estimator)
    try:
        unseen, full_model = (KernelModel(rules).fit(some, estimator) for some in (without, theirs))
    except NotMeasured:
        return nothing_measured(target, len(judged))
    rows = [
        row(name, graph, measured_s[graph.key], unseen, full_model)
        for name, graph in judged.items()
        if graph.key in measured_s
    ]
    return {
        "count": len(judged),
        "unmeasured_within_10_percent": within(rows, "unmeasured_error_percent"),
        "measured_within_10_percent": within(rows, "measured_error_percent"),
        "kernels_measured": len(unseen.measured_),
        "rows": rows,
    }


def networks_among(measurements: Sequence[Measurement], rules: frozenset[Rule]) -> list[Graph]:
    """The measured graphs that are whole networks, each once."""
    graphs = dict.fromkeys(m.workload for m in measurements if isinstance(m.workload, Graph) and m.role == "fit")
    cut = {graph: timed_parts(graph, rules) for graph in graphs}
    return [graph for graph, parts in cut.items() if parts is not None and len(parts.kernels) >= MIN_KERNELS]


def nothing_measured(target: Target, count: int) -> dict[str, Any]:
    """The figures of a case without kernels."""
    print(f"{target}: the time was over before any kernel was measured; run it again to go on", file=sys.stderr)
    return {"count": count, **dict.fromkeys(FIGURES, 0.0), "kernels_measured": 0, "rows": []}


def contains(measurement: Measurement, keys: set[str], rules: frozenset[tuple[str, str]]) -> bool:
    """Whether a measured kernel has one of these keys, alone or with a neighbor."""
    workload = measurement.workload
    if not isinstance(workload, Graph):
        return False
    parts = timed_parts(workload, rules)
    return (
        parts is not None and len(parts.kernels) <= MAX_TIMED and any(spec.key in keys for spec in kernel_specs(parts))
    )


def latencies(measurements: Sequence[Measurement], estimator: str) -> dict[str, float]:
    reference_s = reference_seconds(measurements)
    return {m.workload.key: estimate(m, reference_s, estimator).seconds for m in measurements}


def row(name: str, graph: Graph, measured_s: float, unseen: KernelModel, full_model: KernelModel) -> dict[str, Any]:
    """One network, measured and predicted both ways; what cannot be predicted is None, and counts as missed."""
    unmeasured, measured = predicted(unseen, graph), predicted(full_model, graph)
    arguments = [kernel.known for kernel in unmeasured.kernels] if unmeasured else []
    return {
        "network": name,
        "measured_ms": 1e3 * measured_s,
        **against("unmeasured_ms", "unmeasured_error_percent", unmeasured, measured_s),
        **against("with_own_kernels_ms", "measured_error_percent", measured, measured_s),
        "kernels": len(partition_graph(graph, unseen.rules).kernels),
        "extrapolated": arguments.count("extrapolated"),
    }


def predicted(model: KernelModel, graph: Graph) -> Prediction | None:
    """The prediction; None, with the reason on stderr, if a kernel is of a kind that was never measured."""
    try:
        return model.predict(graph)
    except NotMeasured as error:
        print(f"{graph.title}: {error}", file=sys.stderr)
        return None


def against(name: str, error_name: str, found: Prediction | None, measured_s: float) -> dict[str, float | None]:
    """A prediction in ms and its error in percent, by these names."""
    if found is None:
        return {name: None, error_name: None, error_name.replace("error_percent", "covered"): None}
    seconds = found.seconds
    covered = found.interval is not None and found.interval[0] <= measured_s <= found.interval[1]
    error = 100 * (seconds / measured_s - 1)
    return {name: 1e3 * seconds, error_name: error, error_name.replace("error_percent", "covered"): covered}


def within(rows: Sequence[dict[str, Any]], name: str, percent: float = 10.0) -> float:
    if not rows:
        return 0.0
    return 100 * sum(row[name] is not None and bool(abs(row[name]) <= percent) for row in rows) / len(rows)


def coverage(cases: Sequence[dict[str, Any]]) -> float | None:
    """Share of all predictions whose interval holds the measured latency, in percent."""
    names = ("unmeasured_covered", "measured_covered")
    found = [one[name] for case in cases for one in case["rows"] for name in names if one[name] is not None]
    return 100 * sum(found) / len(found) if found else None


def show(case: str, found: dict[str, Any]) -> None:
    table = Table(title=f"{case}: predicted from other kernels, and from their own")
    for column in found["rows"][0] if found["rows"] else ():
        table.add_column(column.replace("_", " "), justify="left" if column == "network" else "right")
    for one in found["rows"]:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in one.values()))
    Console().print(table)


def chosen_effort(given: argparse.Namespace) -> Effort:
    """By the options of the command line."""
    effort = QUICK if given.quick else FULL if given.full else EFFORT
    changes = {"rounds": given.rounds, "round_s": given.round_seconds}
    plan = replace(effort.plan, **{name: value for name, value in changes.items() if value is not None})
    return replace(effort, kernels=given.kernels or effort.kernels, plan=plan)


def opened(folder: Path, device: str) -> Workspace:
    """The workspace, made with this machine as its device where there is none."""
    workspace = Workspace.init(folder)
    if not (workspace.devices_dir / f"{device}.toml").exists():
        add_device(workspace.devices_dir, device, Local(), python=sys.executable)
    return workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--device", default="here")
    parser.add_argument("--case", action="append", default=[], choices=CASES, help="run these cases alone")
    parser.add_argument("--kernels", type=int, help="of latkit's own families")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--round-seconds", type=float)
    parser.add_argument("--minutes", type=float, default=20.0, help="of measuring, for all cases together")
    parser.add_argument("--full", action="store_true", help="more kernels, longer rounds")
    parser.add_argument("--network", action="append", default=[], help="judge these alone")
    parser.add_argument("--quick", action="store_true", help="two networks and few kernels, to try the script")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    effort = chosen_effort(given)
    if given.quick:
        given.network, given.minutes = given.network or ["MobileNetV1", "MobileNetV2"], QUICK_MINUTES
    workspace, cases = opened(given.workspace, given.device), {}
    names, end = given.case or CASES, time.monotonic() + 60 * given.minutes
    for number, case in enumerate(names):
        target = Target.parse(f"{given.device}/{case.replace('-', '-t1-')}-b1")
        seconds = max(end - time.monotonic(), 0.0) / (len(names) - number)
        cases[case] = judge_external_models(workspace, target, Silent(), effort, seconds, given.network)
        if not given.json:
            show(case, cases[case])
    document = {"cases": cases, "interval_90_coverage_percent": coverage(list(cases.values()))}
    print(json.dumps(document)) if given.json else print(f"intervals hold {document['interval_90_coverage_percent']} %")


if __name__ == "__main__":
    main()
