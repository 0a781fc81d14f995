"""Accuracy of latency predictions in int8, and of networks that mix precisions op by op, with and without pair terms.

    python benchmarks/precision.py [--targets onnxruntime tflite] [--networks 50] [--workspace DIR] [--quick] [--json]

Measures the ops of `proxyless-mobile` in fp32 and in int8, short networks around every tensor in all combinations of
precisions, 12 networks to calibrate on in int8 and 24 that mix precisions, before and after that, and unseen networks
twice: in int8, and with a random precision for every op. The same predictions without pair terms are sums of ops alone,
calibrated on the same networks. Six networks of the calibration are measured again among the unseen ones: figures
`without_drift` are those of predictions that follow the change of these six.

`collection_ratio` is the time that ops in fp32, in int8 and pairs take together, over that of the ops in fp32: exports
included. With `--workspace` an interrupted run goes on, and what is there is not measured again; the ratio then counts
rounds alone. `--quick` takes a small space, few networks and short rounds: it shows that everything works.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from latkit.cli.console import show_table
from latkit.cli.progress_bars import ConsoleProgress
from latkit.devices import Local, add_device
from latkit.evaluation.validation import Drawn, Validation, validate_drawn
from latkit.latency_models import AdditiveModel
from latkit.latency_models.additive import timed_ops
from latkit.latency_models.calibration.model import fit_calibration
from latkit.latency_models.calibration.terms import NetworkParts
from latkit.ops import Network
from latkit.profiling import Collection
from latkit.profiling.pair_probes import pair_probes
from latkit.progress import Callbacks
from latkit.spaces import ChainSpace, Space, load
from latkit.spaces.precisions import with_precisions
from latkit.targets import Target
from latkit.timing import Measurement, TimingPlan
from latkit.workspace import MeasureOptions, Workspace, fit_workloads

HERE = "here"
PRECISIONS = ("fp32", "int8")
DRIFT_NETWORKS = 6
"""Networks of the calibration that are measured again among the unseen ones."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    space: str
    calibration: int
    networks: int
    plan: TimingPlan


FULL = Effort("proxyless-mobile", 12, 50, TimingPlan(rounds=4, round_s=0.1, extra_rounds=4))
QUICK = Effort("proxyless-tiny", 4, 4, TimingPlan(rounds=1, round_s=0.03, extra_rounds=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", nargs="+", default=["onnxruntime", "tflite"], help="runtimes on this machine")
    parser.add_argument("--networks", type=int, help="unseen networks of each set")
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--fp32", action="store_true", help="validate networks in fp32 as well")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    effort = QUICK if given.quick else FULL
    with tempfile.TemporaryDirectory() if given.workspace is None else nullcontext(given.workspace) as folder:
        workspace = Workspace.init(folder)
        if not (workspace.devices_dir / f"{HERE}.toml").exists():
            add_device(workspace.devices_dir, HERE, Local(), python=sys.executable)
        targets = [Target(HERE, name) for name in given.targets]
        sets = {"int8": ("int8",), "mixed": PRECISIONS} | ({"fp32": ("fp32",)} if given.fp32 else {})
        judged = {
            str(target): judge(workspace, target, effort, given.networks or effort.networks, sets) for target in targets
        }
    ratios = [figures.pop("collection_ratio") for figures in judged.values()]
    document = {"targets": judged, "collection_ratio": max(ratios)}
    show(judged, ratios)
    if given.json:
        print(json.dumps(document))


def judge(
    workspace: Workspace, target: Target, effort: Effort, networks: int, sets: dict[str, Sequence[str]]
) -> dict[str, Any]:
    """Measure what is missing on one target, and compare the predictions of every set of networks."""
    base = load(effort.space)
    spaces = {name: with_precisions(base, precisions) for name, precisions in sets.items()}
    options = MeasureOptions(effort.plan, wait_s=math.inf)
    figures: dict[str, Any] = {}
    with ConsoleProgress() as progress, workspace.collection(target, options, Callbacks(progress)) as collection:
        unseen = [sample(base, f"unseen/{number}") for number in range(networks)]
        known = {name: calibration_networks(base, effort, precisions) for name, precisions in sets.items()}
        drawn_of = {name: [in_precisions(one, precisions) for one in unseen] for name, precisions in sets.items()}
        for network in itertools.chain(*known.values(), *drawn_of.values()):
            collection.export(network)  # so that all of them are measured in a few minutes, under the same conditions
        calibrating = [network for name in sets for network in known[name]]
        collection.run(calibrating)
        figures["collection_ratio"] = collect(collection, target, base)
        collection.run(calibrating, repetition=1)
        for name, space in spaces.items():
            model = workspace.fit_model(target, space, "lookup")
            drawn = drawn_of[name]
            chosen = [Drawn(space.encode(network), network) for network in drawn]
            validation = validate_drawn(collection, model, space, chosen, known=DRIFT_NETWORKS)
            validation.save(workspace.validation_path(target, space, "lookup"))
            figures[name] = shown_figures(validation)
            calibrated = [m for m in workspace.selection(target, space).used if m.role == "fit"]
            figures[f"{name}_without_pairs"] = without_pairs(model, validation, space, calibrated)
    return figures


def calibration_networks(base: Space, effort: Effort, precisions: Sequence[str]) -> list[Network]:
    """Networks to calibrate on, more of them for several precisions."""
    known = [sample(base, f"known/{number}") for number in range(effort.calibration * len(precisions))]
    return [in_precisions(network, precisions) for network in known]


def sample(space: Space, purpose: str) -> Network:
    """A random network, the same for the same purpose."""
    return space.decode(space.sample(random.Random(purpose)))


def in_precisions(network: Network, precisions: Sequence[str]) -> Network:
    """The network with a random one of these precisions for every op."""
    rng = random.Random(f"{network.key} {precisions}")
    return replace(network, ops=tuple(op.in_precision(rng.choice(precisions)) for op in network.ops))


def collect(collection: Collection, target: Target, base: Space) -> float:
    """Measure the ops in each precision and the pairs; the time of all over that of the ops in fp32."""
    in_fp32 = collection.run(fit_workloads(base))
    in_int8 = collection.run(fit_workloads(with_precisions(base, ("int8",))))
    pairs = collection.run(pair_probes(with_precisions(base, PRECISIONS), target), role="pair")
    summaries = [in_fp32, in_int8, pairs]
    if any(summary.resumed for summary in summaries[:1]):
        rounds = [summary.resumed + summary.rounds for summary in summaries]
        return sum(rounds) / rounds[0]
    return sum(summary.seconds for summary in summaries) / in_fp32.seconds


def shown_figures(validation: Validation) -> dict[str, float | None]:
    """The figures of a validation; those without drift compare with predictions that follow known networks' drift."""
    return {
        "within_5_percent": validation.within_5_percent,
        "within_10_percent": validation.within_10_percent,
        "mape_percent": validation.mape_percent,
        "repeatability_mape_percent": validation.repeatability_mape_percent,
        "interval_coverage_percent": validation.interval_coverage_percent,
        **(validation.drift.columns() if validation.drift else {}),
    }


def without_pairs(
    model: AdditiveModel, validation: Validation, space: ChainSpace, used: Sequence[Measurement]
) -> dict[str, float]:
    """Errors of sums of ops alone, calibrated on the same networks."""
    calibration: dict[Network, list[float]] = {}
    for one in used:
        if isinstance(one.workload, Network):
            calibration.setdefault(one.workload, []).append(model.seconds_of(one))
    parts = NetworkParts.without_conversions(*zip(*(op_sum(model, one) for one in calibration), strict=True))
    fitted = fit_calibration(parts, [sum(times) / len(times) for times in calibration.values()], model.base_seconds())
    sums = [op_sum(model, space.decode(row.architecture)) for row in validation.results]
    predicted = model.base_seconds() + np.array([fitted.op_seconds(*one) for one in sums])
    errors = np.abs(1e3 * predicted / [row.measured_ms for row in validation.results] - 1)
    return {
        "within_5_percent": float(100 * np.mean(errors <= 0.05)),
        "within_10_percent": float(100 * np.mean(errors <= 0.1)),
        "mape_percent": float(100 * errors.mean()),
    }


def op_sum(model: AdditiveModel, network: Network) -> tuple[float, int]:
    """Seconds of a network's ops alone, and bytes of their weights."""
    return sum(model.op_estimate(op).seconds for op in timed_ops(network)), network.parameter_bytes


def show(judged: dict[str, dict[str, Any]], ratios: Sequence[float]) -> None:
    """Print the errors, and how long the collections took."""
    columns = dict.fromkeys(name for sets in judged.values() for figures in sets.values() for name in figures)
    rows = [
        {"target": target, "networks": name, **{column: figures.get(column) for column in columns}}
        for target, sets in judged.items()
        for name, figures in sets.items()
    ]
    show_table("predicted against measured, %", rows)
    for target, ratio in zip(judged, ratios, strict=True):
        print(f"{target}: fp32, int8 and pairs take {ratio:.2f} times the time of fp32", file=sys.stderr)


if __name__ == "__main__":
    main()
