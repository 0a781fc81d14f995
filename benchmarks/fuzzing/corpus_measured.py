"""A made-up target of the corpus: its measurements, and the models fitted on them.

The numbers are round on purpose, so that they cannot be mistaken for a device's.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.fuzzing import onnx_seeds
from latkit.evaluation.validation import NetworkResult, Validation
from latkit.graphs import GraphBuilder, partition_graph
from latkit.graphs import networks as latkit_networks
from latkit.latency_models.kernels.fusion_file import fusion_file
from latkit.measurements import Store, write_parquet
from latkit.ops import INPUT, OVERHEAD_PROBE, Network, make_op
from latkit.runtimes.litert.write import write_tflite
from latkit.runtimes.onnx.graph import read_graph
from latkit.spaces import Space, variations
from latkit.targets import Target
from latkit.timing import REFERENCE, Environment, Measurement, Round, TimingPlan, Workload
from latkit.workspace import Workspace

TARGET = Target("here", "onnxruntime")
MAX_TFLITE_WEIGHTS = 200_000
ENVIRONMENT = Environment("device", "runtime 1", "cpu", "exporter 1", 17, "unpinned", REFERENCE.key, 1)
PLAN = TimingPlan(rounds=2, round_s=0.01, round_runs=3)
RULES = {("conv", "relu")}
"""Which neighbors the made-up runtime computes at once."""
ROUND_NS = 1_000_000


def _round(nanoseconds: int, started_at: float) -> Round:
    runs, references = (nanoseconds,) * 3, (ROUND_NS,) * 3
    conditions = {
        "before": {"load1": 0.0, "temperatures_c": {"zone": 40.0}, "frequencies_khz": [1_000_000]},
        "after": {"load1": 0.0},
        "turn": {"subject_runs": 3, "reference_runs": 3},
        "inference_ns": 9_000_000,
        "boot_id": "a boot",
    }
    return Round(started_at, runs, runs, (0, 0, 0), references, references, conditions)


def _measurement(workload: Workload, nanoseconds: int) -> Measurement:
    rounds = tuple(_round(nanoseconds, 1.7e9 + number) for number in range(PLAN.rounds))
    return Measurement(workload, TARGET, ENVIRONMENT, PLAN, rounds)


def networks(space: Space) -> Iterator[Network]:
    shape = [range(len(choice.options)) for choice in space.choices]
    return (space.decode(architecture) for architecture in itertools.islice(itertools.product(*shape), 0, None, 5))


def branched() -> Network:
    """A network with two branches."""
    shape = (4, 8, 8)
    ops = (
        make_op("conv", shape, out_channels=4),
        make_op("conv", shape, out_channels=4, kernel=1),
        make_op("add", shape, shape),
        make_op("concat", shape, shape),
    )
    return Network(ops, "branched", ((INPUT,), (INPUT,), (0, 1), (2, 0)))


def graphs() -> list[Workload]:
    found: list[Workload] = []
    for channels in range(4, 20):  # trees are learned from this many kernels
        builder = GraphBuilder()
        entry = builder.input(1, channels, 8, 8)
        found.append(builder.graph([builder.activation("relu", builder.conv(entry, channels, 3))], f"conv{channels}"))
    return found


def _kernels(root: Path) -> list[Workload]:
    """The kernels of the ONNX files that are mutated, so that most mutants can be predicted; and a TFLite file."""
    small = next(graph for graph in latkit_networks(0, "tflite") if graph.parameters < MAX_TFLITE_WEIGHTS)
    (root / "net.tflite").write_bytes(write_tflite(small, 0))
    found: list[Workload] = []
    for number, content in enumerate(onnx_seeds.seeds()):
        path = root / f"seed-{number}.onnx"
        path.write_bytes(content)
        parts = partition_graph(read_graph(path), RULES)
        with suppress(TypeError):
            kernels = [parts.kernel_graph(place) for place in range(len(parts.kernels))]
            found += {kernel.key: kernel for kernel in kernels}.values()
    return list(dict.fromkeys(found))


def measurements(workspace: Workspace, space: Space) -> None:
    further = itertools.islice(variations(space), 40)  # trees are learned from this many ops
    workloads: list[Workload] = [OVERHEAD_PROBE, *space.ops(), *further, *networks(space), *graphs()]
    workloads = list(dict.fromkeys([*workloads, *branched().ops, *_kernels(workspace.root)]))
    measured = [_measurement(workload, 1000 + 1000 * index) for index, workload in enumerate(workloads)]
    with workspace.store(TARGET) as store:
        _fill(store, measured)
    decided = dict.fromkeys(RULES, True) | {("conv", "add"): False}
    fusion_file(str(TARGET), "onnxruntime 1", decided).save(workspace.fusion_path(TARGET))
    for kind in ("lookup", "xgboost"):
        workspace.fit_model(TARGET, None, kind)
    workspace.fit_kernels(TARGET)
    _validation().save(workspace.validation_path(TARGET, space, "lookup"))
    with Store(workspace.root / "few.sqlite", TARGET) as few:
        _fill(few, [*measured[:6], measured[-1]])
    write_parquet(measured[:6], workspace.root / "dataset.parquet", "# card\n")


def _fill(store: Store, measured: list[Measurement]) -> None:
    for one in measured:
        for one_round in one.rounds:
            store.add_round(one.workload, one.environment, one.plan, one_round)


def network_result(name: str, key: str = "key") -> NetworkResult:
    return NetworkResult(
        name=name,
        key=key,
        architecture=[0, 0],
        predicted_ms=1.0,
        low_ms=0.5,
        high_ms=2.0,
        first_ms=1.0,
        second_ms=1.25,
    )


def _validation() -> Validation:
    absolute = ("mape_percent", "rmse_ms", "mean_latency_ms", "spearman", "kendall")
    percentages = ("within_5_percent", "within_10_percent", "interval_coverage_percent", "repeatability_mape_percent")
    figures: dict[str, Any] = {**dict.fromkeys(absolute, 1.0), **dict.fromkeys(percentages, 50.0)}
    return Validation(
        target=str(TARGET),
        space="pocket",
        model="lookup",
        networks=2,
        calibration_networks=2,
        left_out=["one: a reason"],
        results=[network_result("one"), network_result("other")],
        **figures,
    )
