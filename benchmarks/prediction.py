"""Accuracy of latency predictions: unseen networks, ops left out of a training, external networks, and the intervals.

    python benchmarks/prediction.py [--targets onnxruntime tflite] [--networks 50] [--ops 320] [--workspace DIR]
                                    [--device NAME] [--external FILE | --skip-external] [--json]

Measures every op of `proxyless-mobile`, further ops near them, 20 networks for calibration, and unseen networks twice,
on this machine, or on a device that is registered in the workspace. With `--workspace` the measurements are saved
there, and those of an earlier run are reused. An op counts as left out when the tenth of all ops that it was drawn
into took no part in the training, nor in the choice of its depth and number of trees. The random forest is
scikit-learn's on nn-Meter's features (Zhang et al. 2021, table 3) of the same ops, in the same tenths.

A 90 % interval is one of a single measurement. Its coverage is reported for ops left out, and for networks: the
measured networks are split into calibration and test networks repeatedly, because a single split is noisy (its share
varies by 8 points with 20 calibration networks).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import KFold

from latkit.cli.console import show_table
from latkit.cli.progress_bars import ConsoleProgress
from latkit.devices import Local, add_device
from latkit.evaluation.validation import Validation, fit_networks, validate
from latkit.latency_models import MIN_OPS_TO_FIT, AdditiveModel, LookupModel, design_matrix, fit_kind
from latkit.latency_models.calibration.conformal import half_width
from latkit.latency_models.calibration.model import fit_calibration
from latkit.latency_models.calibration.terms import NetworkParts
from latkit.ops import Network, Op
from latkit.profiling.active_learning import explore
from latkit.progress import Callbacks
from latkit.spaces import Space, load
from latkit.targets import Target
from latkit.timing import Measurement, estimate
from latkit.workspace import MeasureOptions, Workspace, fit_workloads

CALIBRATION_NETWORKS = 20
HERE = "here"
FOLDS = 10
DIVISIONS = 500
"""How often the measured networks are split into calibration and test networks."""

Floats = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", nargs="+", default=["onnxruntime", "tflite"], help="runtimes on this machine")
    parser.add_argument("--networks", type=int, default=50, help="unseen networks")
    parser.add_argument("--ops", type=int, default=320, help="ops beyond the space to train on")
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--device", default=HERE, help="a registered device of the workspace")
    parser.add_argument(
        "--external", "--foreign", type=Path, help="what external_models.py --json printed, in place of running it"
    )
    parser.add_argument("--skip-external", "--skip-foreign", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() if given.workspace is None else nullcontext(given.workspace) as folder:
        workspace = Workspace.init(folder)
        if given.device == HERE and not (workspace.devices_dir / f"{HERE}.toml").exists():
            add_device(workspace.devices_dir, HERE, Local(), python=sys.executable)
        targets = {name: Target(given.device, name) for name in given.targets}
        judged = {name: judge(workspace, target, given.networks, given.ops) for name, target in targets.items()}
        external = json.loads(given.external.read_text()) if given.external else None
        if external is None and not given.skip_external:
            external = external_figures(workspace, next(iter(targets.values())))
    figures = summary(judged, external)
    show(judged, figures)
    if given.json:
        print(json.dumps(figures))


def judge(workspace: Workspace, target: Target, networks: int, ops: int) -> dict[str, Any]:
    """Measure what is missing on one target, and evaluate every model against it."""
    space = load("proxyless-mobile")
    options = MeasureOptions(wait_s=np.inf)
    with ConsoleProgress() as progress, workspace.collection(target, options, Callbacks(progress)) as collection:
        collection.run([*fit_workloads(space), *fit_networks(space, CALIBRATION_NETWORKS)])
        model = workspace.fit_model(target, space, "lookup")
        validation = validate(collection, model, space, networks)
        explore(collection, space, ops)
    networks_covered = coverage_of_networks(model, validation, workspace.selection(target, space).used)
    return {
        "validation": validation,
        "networks_covered": networks_covered,
        **judge_ops(measured_ops(workspace, target), space),
    }


def coverage_of_networks(model: AdditiveModel, validation: Validation, used: Sequence[Measurement]) -> float:
    """Share of single measurements inside intervals of calibrations on others, over many splits of the networks.

    Every measured network takes part: the calibration networks measured once, and the test networks measured twice, of
    which one measurement is drawn.
    """
    networks = [m for m in used if isinstance(m.workload, Network)]
    reference_s, fixed_s, choices = model.origin_.reference_s, model.base_seconds(), load(validation.space)
    first = np.array([estimate(m, reference_s).seconds for m in networks])
    workloads = [
        *(m.workload for m in networks if isinstance(m.workload, Network)),
        *(choices.decode(row.architecture) for row in validation.results),
    ]
    sums = [sum(model.op_estimate(op).seconds for op in one.ops if not op.is_identity) for one in workloads]
    firsts = np.concatenate([first, [row.first_ms / 1e3 for row in validation.results]])
    seconds = np.concatenate([first, [row.second_ms / 1e3 for row in validation.results]])
    parts = NetworkParts.without_conversions(sums, [one.parameter_bytes for one in workloads])
    return redrawn_coverage(parts, np.stack([firsts, seconds]), fixed_s, len(networks))


def redrawn_coverage(parts: NetworkParts, measured_s: Floats, fixed_s: float, calibrated: int) -> float:
    """The same, of n networks, and two measurements of each network, which may be the same, of shape (2, n).

    `calibrated`: the number of calibration networks in every split.
    """
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(DIVISIONS):
        one = np.where(rng.random(len(parts)) < 0.5, *measured_s)
        fitted = rng.permutation(len(parts)) < calibrated
        calibration = fit_calibration(parts.of(fitted), one[fitted], fixed_s)
        judged, terms = ~fitted, np.array([calibration.scale, 0.0, calibration.weight_s_per_byte, 0.0])
        predicted = fixed_s + parts.array()[judged] @ terms
        width = math.log1p(calibration.relative_half_width or math.inf)
        covered.append(np.abs(np.log(predicted / one[judged])) <= width)
    return float(np.mean(covered))


def measured_ops(workspace: Workspace, target: Target) -> dict[Op, float]:
    """Seconds of every measured op, without the fixed cost."""
    model = LookupModel().fit(workspace.selection(target).used)
    return {op: latency.seconds for op, latency in model.ops_.items()}


def judge_ops(measured_s: Mapping[Op, float], space: Space) -> dict[str, Any]:
    """Relative errors on ops left out, of trees and of nn-Meter's random forest, and the coverage of the intervals."""
    trees, forest, covered, of_space = [], [], [], []
    known = set(space.ops())
    for kind in sorted({op.kind for op in measured_s}):
        ops = [op for op in measured_s if op.kind == kind]
        if len(ops) < 2 * MIN_OPS_TO_FIT:
            continue
        seconds = np.array([measured_s[op] for op in ops])
        for train, test in KFold(FOLDS, shuffle=True, random_state=1).split(ops):
            errors, width = tree_errors(ops, seconds, train, test)
            trees += errors.tolist()
            covered += (np.abs(errors) <= width).tolist()
            forest += forest_errors(ops, seconds, train, test).tolist()
            of_space += [ops[i] in known for i in test]
    return {"trees": np.array(trees), "forest": np.array(forest), "covered": covered, "of_space": np.array(of_space)}


def tree_errors(
    ops: Sequence[Op], seconds: Floats, train: NDArray[np.intp], test: NDArray[np.intp]
) -> tuple[Floats, float]:
    """log(predicted / measured) of the test ops, and the bounds of their 90 % interval."""
    terms, features = design_matrix(ops)
    model = fit_kind(terms[train], features[train], seconds[train])
    return np.log(model.seconds(terms[test], features[test]) / seconds[test]), half_width(model.errors) or np.inf


def forest_errors(ops: Sequence[Op], seconds: Floats, train: NDArray[np.intp], test: NDArray[np.intp]) -> Floats:
    """The same for scikit-learn's random forest on nn-Meter's features."""
    features = np.array([nn_meter_features(op) for op in ops])
    forest = RandomForestRegressor(n_estimators=100, random_state=0).fit(features[train], seconds[train])
    found: Floats = np.log(forest.predict(features[test]) / seconds[test])
    return found


def nn_meter_features(op: Op) -> list[float]:
    """HW, Cin, Cout, K, S, FLOPs and parameters; for a block of several kernels its expansion as well."""
    attributes = dict(op.attributes)
    columns = [attributes.get(name, 0) for name in ("kernel", "stride", "expansion")]
    return [op.input_shape[-1], op.input_shape[0], op.output_shape[0], *map(float, columns), 2 * op.macs, op.parameters]


def external_figures(workspace: Workspace, target: Target) -> dict[str, Any]:
    """External networks, before and after their kernels are measured."""
    from benchmarks.external_models import FULL, judge_external_models

    with ConsoleProgress() as progress:
        return dict(judge_external_models(workspace, target, progress, FULL))


def summary(judged: Mapping[str, Mapping[str, Any]], external: Mapping[str, Any] | None) -> dict[str, Any]:
    """The figures of the last line: shares in percent, over all targets where no target is named."""
    columns = ("mape_percent", "within_5_percent", "within_10_percent", "repeatability_mape_percent")
    validations: dict[str, Validation] = {name: one["validation"] for name, one in judged.items()}
    networks = float(np.mean([one["networks_covered"] for one in judged.values()]))
    count = sum(len(one.results) for one in validations.values())
    as_divided = [
        row.interval_ms[0] <= ms <= row.interval_ms[1]
        for one in validations.values()
        for row in one.results
        if row.interval_ms
        for ms in (row.first_ms, row.second_ms)
    ]
    ops = [held for one in judged.values() for held in one["covered"]]
    figures: dict[str, Any] = {
        "targets": {name: {key: getattr(one, key) for key in columns} for name, one in validations.items()},
        "unseen_ops_within_10_percent": within_10(judged, "trees"),
        "random_forest_within_10_percent": within_10(judged, "forest"),
    }
    if external is not None:
        names = ("count", "unmeasured_within_10_percent", "measured_within_10_percent")
        figures["foreign_networks"] = {name: external[name] for name in names}
    return {
        **figures,
        "interval_90_coverage_percent": 100 * float((count * networks + sum(ops)) / (count + len(ops))),
        "interval_90_coverage_percent_of": {
            "networks": 100 * networks,
            "networks_as_divided": 100 * float(np.mean(as_divided)),
            "ops": 100 * float(np.mean(ops)),
        },
    }


def within_10(judged: Mapping[str, Mapping[str, Any]], what: str) -> float:
    """Share of ops left out that are predicted within 10 %, over all targets."""
    errors = np.concatenate([one[what] for one in judged.values()])
    return 100 * float(np.mean(np.abs(np.expm1(errors)) <= 0.1))


def show(judged: Mapping[str, Mapping[str, Any]], figures: Mapping[str, Any]) -> None:
    """The tables for people."""
    show_table("unseen networks", [{"target": name, **row} for name, row in figures["targets"].items()])
    rows: list[dict[str, str | int | float | None]] = []
    for name, one in judged.items():
        for method in ("trees", "forest"):
            errors = np.abs(np.expm1(one[method]))
            rows.append(
                {
                    "target": name,
                    "model": {"trees": "XGBoost", "forest": "random forest, nn-Meter's features"}[method],
                    "ops": len(errors),
                    "mean error, %": 100 * float(errors.mean()),
                    "within 5 %": 100 * float(np.mean(errors <= 0.05)),
                    "within 10 %": 100 * float(np.mean(errors <= 0.1)),
                    "of the space within 10 %": 100 * float(np.mean(errors[one["of_space"]] <= 0.1)),
                }
            )
    show_table("ops left out of the training", rows)
    show_table("coverage of 90 % intervals, percent", [figures["interval_90_coverage_percent_of"]])
    if "foreign_networks" in figures:
        show_table("foreign networks", [figures["foreign_networks"]])


if __name__ == "__main__":
    main()
