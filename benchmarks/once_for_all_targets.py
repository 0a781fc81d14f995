"""Parts of `once_for_all.py`: the accuracy predictor, and sub-networks for many targets and latencies."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import stats

from benchmarks.once_for_all_training import UntilDeadline, long
from latkit._io import load_json, write_text
from latkit._io.arrays import Floats
from latkit.devices import Local
from latkit.search.data import subset
from latkit.search.once_for_all.judging import SubnetJudge
from latkit.search.once_for_all.subnets.candidates import draw_at
from latkit.search.once_for_all.subnets.evaluated import Evaluations, fit_predictor
from latkit.search.once_for_all.subnets.specialize import SpecializePlan
from latkit.search.once_for_all.trained import TrainedSupernet, load_supernet
from latkit.search.supernet.weight_trainer import evaluate
from latkit.spaces import Architecture
from latkit.spaces.elastic.arrays import ElasticArrays
from latkit.tables import ElasticTable
from latkit.targets import Target
from latkit.workspace.requests import AddDeviceRequest, CollectRequest, FitRequest, SpecializeRequest

if TYPE_CHECKING:
    from benchmarks.once_for_all import Bench

TARGETS = ("here/onnxruntime", "here/onnxruntime-int8")
RANDOMS = 5


def predictor(bench: Bench) -> dict[str, Any]:
    """Kendall's tau on sub-networks that the predictor did not learn from."""
    long(bench, bench.given.supernet_seed)
    return dict(bench.once(f"predictor of {bench.specialized}", lambda: _judged_predictor(bench)))


def _loaded(bench: Bench) -> tuple[TrainedSupernet, Evaluations]:
    folder = bench.workspace.search_dir(bench.specialized)
    trained = load_supernet(folder, bench.data)
    return trained, Evaluations(folder, trained, trained.judge.metric_and_loss)


def _judged_predictor(bench: Bench) -> dict[str, Any]:
    trained, evaluations = _loaded(bench)
    begun, progress = time.process_time(), UntilDeadline(bench.deadline, saves_steps=True)
    try:
        fitted = fit_predictor(trained, evaluations, bench.given.evaluations, 0, progress)
    finally:
        cpu_s = bench.add_seconds(f"predictor of {bench.specialized}", time.process_time() - begun)
    arrays = ElasticArrays(trained.space)
    learned = set(evaluations.known)
    draw = arrays.draw(20 * bench.given.held_out, np.random.default_rng(1))
    drawn = [one for one in dict.fromkeys(tuple(map(int, row)) for row in draw) if one not in learned]
    held = drawn[: bench.given.held_out]
    halves = _halves(bench, trained, held)
    truth = halves.mean(axis=0)
    predicted = fitted.predictor.predict(arrays.features(np.array(held)))
    errors = np.abs(predicted - truth)
    return {
        "predictor_tau": float(stats.kendalltau(predicted, truth).statistic),
        "predictor_tau_halves": float(stats.kendalltau(*halves).statistic),
        "predictor_truth_spread_points": 100 * float(truth.std()),
        "predictor_tau_front": fitted.report.kendall,
        "predictor_error_points": 100 * float(errors.mean()),
        "predictor_inside_90": float((errors <= fitted.predictor.half_width).mean()),
        "predictor_kind": fitted.predictor.kind,
        "predictor_evaluated": fitted.report.learned + fitted.report.held_out,
        "predictor_held_out": len(held),
        "predictor_cpu_seconds": cpu_s,
    }


def _halves(bench: Bench, trained: TrainedSupernet, held: list[Architecture]) -> Floats:
    """Scores of sub-networks on the even and the odd validation images, shape (2, sub-networks)."""
    path = bench.workspace.root / f"held-out-{bench.specialized}.json"  # apart from those that are learned from
    known = dict(load_json(path, "scores of held-out sub-networks")) if path.exists() else {}
    judge, settings = trained.judge, trained.judge.settings
    for one in held:
        if (name := " ".join(map(str, one))) not in known:
            bench.check_time("held-out sub-networks")
            module, (data, unseen) = judge.module(one), judge.images(one)
            count = len(unseen.labels) // 2 * 2
            known[name] = [
                evaluate(module, data, subset(unseen, torch.arange(begin, count, 2)), judge.fabric, settings)
                for begin in (0, 1)
            ]
            write_text(path, json.dumps(known))
    return np.array([known[" ".join(map(str, one))] for one in held]).T


def specialize(bench: Bench) -> dict[str, Any]:
    """Many targets and latencies in one command, measured, and beside random sub-networks."""
    trained_s = long(bench, bench.given.supernet_seed)["cpu_seconds"]
    predictor_s = predictor(bench)["predictor_cpu_seconds"]
    collect(bench)
    targets = _targets(bench)
    found = dict(bench.once(f"specialize {bench.specialized}", lambda: _specialized(bench, targets)))
    measured = _measured(bench, targets)
    rows = [{**row, "measured_ms": measured.get(row["folder"])} for row in found["targets"]]
    found = {**found, "targets": [{name: one for name, one in row.items() if name != "folder"} for row in rows]}
    each_s = found["specialize_cpu_seconds"] / len(found["targets"])
    fixed_s = trained_s + predictor_s
    ratio = (fixed_s + found["specialize_cpu_seconds"]) / (fixed_s + each_s)
    return {**found, **_counts(found["targets"]), "cpu_seconds_per_target": each_s, "cost_20_ratio": ratio}


def _measured(bench: Bench, targets: tuple[Target, ...]) -> dict[str, float]:
    """Measured latencies by the folders of the results; none with `--no-measure`."""

    def measure() -> dict[str, float]:
        request = _request(bench, targets).model_copy(update={"measure": True})
        return {_folder(row): row["measured_ms"] for row in _rows_of(bench, request)}

    return {} if bench.given.no_measure else dict(bench.once(f"measured {bench.specialized}", measure))


def _rows_of(bench: Bench, request: SpecializeRequest) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = bench.workspace.specialize(request, data=bench.data).document()["targets"]
    return rows


def _folder(row: dict[str, Any]) -> str:
    return Path(row["files"]["weights"]).parent.name


def _counts(rows: list[dict[str, Any]]) -> dict[str, int]:
    """In how many rows the goals are reached."""
    above = [row["fp32_accuracy"] - row["random_accuracy_mean"] for row in rows]
    return {
        "within_2_percent": sum(0.98 <= row["predicted_ms"] / row["latency_ms"] <= 1.02 for row in rows),
        "within_5_percent": sum(0.95 <= (row["measured_ms"] or 0) / row["latency_ms"] <= 1.05 for row in rows),
        "above_random": sum(one > 0 for one in above),
        "above_random_by_spread": sum(
            one > row["random_accuracy_spread"] for one, row in zip(above, rows, strict=True)
        ),
    }


def collect(bench: Bench) -> dict[str, Any]:
    """Measure the ops of the space on every target."""
    for target in _targets(bench):
        bench.once(f"collect {target}", lambda target=target: _collect(bench, target))
    return {}


def _targets(bench: Bench) -> tuple[Target, ...]:
    return tuple(map(Target.parse, bench.given.target or TARGETS))


def _collect(bench: Bench, target: Target) -> bool:
    if target.device not in {one.device.name for one in bench.workspace.devices()}:
        agent = str((bench.workspace.root / "agent").resolve())
        bench.workspace.add_device(AddDeviceRequest(name=target.device, address=Local(), agent_folder=agent))
    request = CollectRequest(targets=(target,), space=bench.space, wait_s=float("inf"))
    rounds = (3, 0.02, 4) if bench.given.quick else (5, 0.03, 10)
    names = ("rounds", "round_s", "networks")
    request = request.model_copy(update={**dict(zip(names, rounds, strict=True)), "extra_rounds": 0})
    bench.workspace.collect(request)
    bench.workspace.fit(FitRequest(target=target, space=bench.space))
    return True


def _request(bench: Bench, targets: tuple[Target, ...]) -> SpecializeRequest:
    return SpecializeRequest(
        name=bench.specialized,
        targets=targets,
        latencies=bench.given.latencies // len(targets),
        evaluations=bench.given.evaluations,
        measure=False,
        wait_s=float("inf"),
    )


def _specialized(bench: Bench, targets: tuple[Target, ...]) -> dict[str, Any]:
    request = _request(bench, targets)
    trained, _ = _loaded(bench)
    run = bench.workspace.specialize(request, data=bench.data)
    judge = _judge_of_all(bench, trained)
    rows = [_row(bench, judge, row) for row in run.document()["targets"]]
    return {"targets": rows, "specialize_seconds": run.seconds, "specialize_cpu_seconds": run.cpu_seconds}


def _judge_of_all(bench: Bench, trained: TrainedSupernet) -> SubnetJudge:
    """Judges by all test images: sub-networks of one latency differ by less than a few images tell apart."""
    parts = trained.judge.parts
    parts = replace(parts, data=replace(parts.data, test=bench.all_test))
    return SubnetJudge(trained.net, parts, trained.judge.settings, trained.judge.fabric)


def _row(bench: Bench, judge: SubnetJudge, row: dict[str, Any]) -> dict[str, Any]:
    """With test accuracies of random sub-networks of the latency."""
    model = bench.workspace.model(Target.parse(row["target"]), space=bench.space)
    table = ElasticTable.of_model(bench.space, model)
    # another seed than the command's: not those that it compared with
    randoms = draw_at(table, 1e-3 * row["latency_ms"], RANDOMS, 1, SpecializePlan().min_share)

    def score(architecture: Architecture) -> float:
        return judge.score(judge.module(architecture), architecture, "test")

    own, scores = score(tuple(row["architecture"])), [score(one.architecture) for one in randoms]
    return {
        **{name: row[name] for name in ("target", "latency_ms", "predicted_ms")},
        "folder": _folder(row),
        "accuracy": own if row["fp32_accuracy"] is None else row["accuracy"],
        "fp32_accuracy": own,
        "random_accuracy_mean": fmean(scores),
        "random_accuracy_spread": pstdev(scores),
    }
