"""Repeatability: every op of a space and some networks, measured twice, by every estimator.

    python benchmarks/repeatability.py [--space proxyless-mobile] [--runtime onnxruntime] [--networks 30]
                                       [--only quiet|loaded] [--workspace DIR] [--json]

Twice on the machine as it is, and twice while a busy process runs on each core. Prints, for each estimator, the mean
and the largest difference between the two measurements of one workload, and the error of sums of ops, scaled on ten
networks, on the others. `--workspace` saves the measurements there, or evaluates those of an earlier run.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from latkit.cli.progress_bars import ConsoleProgress
from latkit.devices import Local, add_device
from latkit.evaluation.validation import fit_networks
from latkit.latency_models.calibration.model import fit_calibration
from latkit.latency_models.calibration.terms import NetworkParts
from latkit.ops import OVERHEAD_PROBE, Network
from latkit.progress import Callbacks
from latkit.spaces import load
from latkit.targets import Target
from latkit.timing import DEFAULT_ESTIMATOR, ESTIMATORS, Measurement, Workload, estimate, reference_seconds
from latkit.workspace import MeasureOptions, Workspace, fit_workloads

CALIBRATION_NETWORKS = 10
WAIT_S = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="proxyless-mobile")
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--networks", type=int, default=30)
    parser.add_argument("--only", choices=LOADS)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    space, target = load(given.space), Target("here", given.runtime)
    workloads: list[Workload] = [*fit_workloads(space), *fit_networks(space, given.networks)]
    figures: dict[str, object] = {"target": str(target), "space": space.name, "networks": given.networks}
    with tempfile.TemporaryDirectory() as folder:
        for name in (given.only,) if given.only else LOADS:
            workspace = registered(Path(given.workspace or folder) / name)
            seconds = measure_twice(workspace, target, workloads, LOADS[name])
            rows = judge([m for m in workspace.measurements(target) if m.workload in set(workloads)])
            show(f"{space.name} on {given.runtime}, {name}", rows)
            best = rows[DEFAULT_ESTIMATOR]
            figures[name] = {
                "ops_percent": best["ops_mean"],
                "networks_percent": best["networks_mean"],
                "seconds": seconds,
                "estimators": rows,
            }
    if given.json:
        print(json.dumps(figures))


def registered(folder: Path) -> Workspace:
    """A workspace in that folder, in which this machine is the device `here`."""
    workspace = Workspace.init(folder)
    if not (workspace.devices_dir / "here.toml").exists():
        add_device(workspace.devices_dir, "here", Local(), python=sys.executable)
    return workspace


def measure_twice(
    workspace: Workspace, target: Target, workloads: list[Workload], load: Callable[[], AbstractContextManager[None]]
) -> list[float]:
    """Seconds of each of the two collections, without exporting."""
    seconds = []
    with (
        ConsoleProgress() as progress,
        workspace.collection(target, MeasureOptions(wait_s=WAIT_S), Callbacks(progress)) as collection,
        load(),
    ):
        for repetition in range(2):
            summary = collection.run(workloads, repetition=repetition, seed=repetition)
            seconds.append(summary.seconds)
            print(f"measurement {repetition + 1}: {summary.rounds} rounds in {summary.seconds:.0f} s", file=sys.stderr)
    return seconds


def judge(measurements: list[Measurement]) -> dict[str, dict[str, float]]:
    """Differences and prediction errors in percent, by estimator."""
    reference_s = reference_seconds(measurements)
    pairs: dict[Workload, dict[int, Measurement]] = {}
    for measurement in measurements:
        pairs.setdefault(measurement.workload, {})[measurement.repetition] = measurement
    rows = {}
    for name in ESTIMATORS:
        seconds = {s: [estimate(pair[i], reference_s, name).seconds for i in (0, 1)] for s, pair in pairs.items()}
        ops = [spread(two) for s, two in seconds.items() if not isinstance(s, Network) and s != OVERHEAD_PROBE]
        networks = [spread(two) for s, two in seconds.items() if isinstance(s, Network)]
        rows[name] = {
            "ops_mean": float(np.mean(ops)),
            "ops_largest": float(np.max(ops)),
            "networks_mean": float(np.mean(networks)),
            "networks_largest": float(np.max(networks)),
            **prediction(seconds),
        }
    return rows


def spread(two: list[float]) -> float:
    return 100 * abs(two[0] - two[1]) / float(np.mean(two))


def prediction(seconds: dict[Workload, list[float]]) -> dict[str, float]:
    """Error of sums of the first measurement of the ops on networks that the factor was not fitted on."""
    fixed = seconds[OVERHEAD_PROBE][0]
    networks = [workload for workload in seconds if isinstance(workload, Network)]
    sums = [sum(seconds[op][0] - fixed for op in network.ops) for network in networks]
    weights = [network.parameter_bytes for network in networks]
    measured = [float(np.mean(seconds[network])) for network in networks]
    fitted = slice(CALIBRATION_NETWORKS)
    parts = NetworkParts.without_conversions(sums[fitted], weights[fitted])
    calibration = fit_calibration(parts, measured[fitted], fixed)
    predicted = [fixed + calibration.op_seconds(*one) for one in zip(sums, weights, strict=True)]
    errors = [abs(s / m - 1) for s, m in zip(predicted, measured, strict=True)][CALIBRATION_NETWORKS:]
    return {
        "prediction_mean": 100 * float(np.mean(errors)),
        "prediction_within_5": 100 * float(np.mean(np.array(errors) <= 0.05)),
    }


@contextmanager
def idle() -> Iterator[None]:
    yield


@contextmanager
def busy_cores() -> Iterator[None]:
    """A process on each core that only counts."""
    processes = [multiprocessing.Process(target=count, daemon=True) for _ in range(multiprocessing.cpu_count())]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def count() -> None:
    number = 0
    while True:
        number += 1


LOADS = {"quiet": idle, "loaded": busy_cores}
"""The load that runs meanwhile."""


def show(title: str, rows: dict[str, dict[str, float]]) -> None:
    table = Table(title=f"{title}: percent")
    columns = list(next(iter(rows.values())))
    for column in ["estimator", *columns]:
        table.add_column(column.replace("_", " "), justify="left" if column == "estimator" else "right")
    for name, row in rows.items():
        table.add_row(name, *(f"{row[column]:.2f}" for column in columns))
    Console().print(table)


if __name__ == "__main__":
    main()
