"""The op table: shares of the latency, rates beside the peaks, and weights that a runtime has packed."""

from __future__ import annotations

from pathlib import Path

import pytest

from latkit.artifacts.files import FileOp, ModelSource
from latkit.devices import OpProfile
from latkit.devices.sessions.answers import ProfiledOp
from latkit.graphs import FileTensor, ModelFile
from latkit.profiling.profile import LatencyStatistics, Peaks
from latkit.profiling.profile.op_table import (
    fallbacks,
    op_table,
    profiler_record,
    reached_peaks,
    tensor_bytes,
    with_bounds,
)
from latkit.runtimes import get_runtime

LATENCY = LatencyStatistics(min=1.0, p50=2.0, p90=3.0, p99=4.0, mean=2.5, runs=10)
NEAR = LATENCY.model_copy(update={"p50": 4.0})
"""As long as the profiled runs."""
TENSORS = {"inputs": [["float", [1, 1000]]], "outputs": [["float", [1, 500]]]}
PEAKS = Peaks(gmacs_per_s=100, gbytes_per_s=10, measured_at=0)
MODEL = ModelFile("a" * 64, "onnx", (FileTensor("x", "float32", (1, 8)),))


ONNXRUNTIME, TFLITE = get_runtime("onnxruntime"), get_runtime("tflite")


def source(*operators: FileOp) -> ModelSource:
    return ModelSource(Path("net.onnx"), MODEL, MODEL.sha256, {}, operators=operators)


def op(kind: str, total_ns: int, name: str = "n", placement: str = "CPU", **fields: list) -> ProfiledOp:
    return ProfiledOp(name=name, kind=kind, placement=placement, calls=2, total_ns=total_ns, **fields)


def profile(*ops: ProfiledOp, exact: bool = True) -> OpProfile:
    return OpProfile("onnxruntime", (4_000_000, 4_000_000), ops, None, exact)


def test_times_are_shares_of_the_unprofiled_latency() -> None:
    found = op_table(profile(op("Relu", 4_000_000), op("Relu", 2_000_000, "m")), source(), LATENCY, ONNXRUNTIME)
    assert [one.share_percent for one in found] == [50, 25]
    assert [one.ms for one in found] == [1.0, 0.5]
    assert [one.profiled_ms for one in found] == [2.0, 1.0]
    record = profiler_record(profile(op("Relu", 6_000_000)), LATENCY)
    assert (record.run_ms, record.op_sum_ms, record.op_sum_percent, record.slowdown) == (4.0, 3.0, 75.0, 2.0)


def test_ops_that_sum_to_more_than_the_run_are_not_more_than_the_latency() -> None:
    found = op_table(profile(op("Relu", 8_000_000), op("Relu", 8_000_000, "m")), source(), LATENCY, ONNXRUNTIME)
    assert sum(one.ms for one in found) == pytest.approx(LATENCY.p50)


def test_rates_stand_beside_the_peaks() -> None:
    (found,) = with_bounds(op_table(profile(op("MatMul", 8_000_000, **TENSORS)), source(), NEAR, ONNXRUNTIME), PEAKS)
    assert found.macs == 500_000
    assert found.bytes == 4 * (1000 + 1000 * 500 + 500)
    assert found.gmacs_per_s == pytest.approx(0.125)
    assert found.gbytes_per_s == pytest.approx(found.bytes / 4e-3 / 1e9)
    assert found.bound == "memory"
    assert found.peak_percent == pytest.approx(100 * found.bytes / 10e9 / 4e-3)


def test_an_op_faster_than_memory_is_bound_by_the_caches() -> None:
    peaks = Peaks(gmacs_per_s=100, gbytes_per_s=0.1, measured_at=0)
    (found,) = with_bounds(op_table(profile(op("MatMul", 8_000_000, **TENSORS)), source(), NEAR, ONNXRUNTIME), peaks)
    assert (found.bound, found.peak_percent) == ("cache", None)


def test_the_compute_peak_is_at_least_the_rate_of_the_fastest_op() -> None:
    table = op_table(profile(op("MatMul", 8_000_000, **TENSORS)), source(), NEAR, ONNXRUNTIME)
    low = Peaks(gmacs_per_s=0.1, gbytes_per_s=1000, measured_at=0)
    raised = reached_peaks(table, low)
    assert raised == low.model_copy(update={"gmacs_per_s": pytest.approx(0.125)})
    assert with_bounds(table, raised)[0].peak_percent == pytest.approx(100)
    assert reached_peaks(table, PEAKS) == PEAKS


@pytest.mark.parametrize(
    ("latency", "total_ns"), [(LATENCY, 8_000_000), (NEAR, 8_000)], ids=["slow profiler", "short op"]
)
def test_no_rates_where_the_profiler_is_too_slow_or_too_coarse(latency: LatencyStatistics, total_ns: int) -> None:
    (found,) = with_bounds(op_table(profile(op("MatMul", total_ns, **TENSORS)), source(), latency, ONNXRUNTIME), PEAKS)
    assert found.macs
    assert (found.gmacs_per_s, found.gbytes_per_s, found.bound, found.peak_percent) == (None, None, None, None)


def test_packed_weights_come_from_the_file() -> None:
    tensors = {"inputs": [["float", [1, 8, 4, 4]]], "outputs": [["float", [1, 16, 2, 2]]]}
    node = FileOp("n", "Conv", (("", ()), ("float32", (16, 8, 3, 3)), ("float32", (16,))), ())
    (found,) = op_table(profile(op("Conv", 1, **tensors)), source(node), LATENCY, ONNXRUNTIME)
    assert found.macs == 16 * 4 * 8 * 9
    assert found.input_shapes == ((1, 8, 4, 4), (16, 8, 3, 3), (16,))


def test_a_quantized_operator_has_the_work_of_the_file_s() -> None:
    """onnxruntime lists its scales, and no longer its packed weights."""
    traced = [["uint8", [1, 4, 4, 8]], ["float", []], ["uint8", []], ["float", [16]], ["int8", [16]], ["int32", [16]]]
    node = FileOp("n", "Conv", (("", ()), ("int8", (16, 8, 3, 3)), ("int32", (16,))), ())
    quantized = op("QLinearConv", 1, "n_token_3", inputs=traced, outputs=[["uint8", [1, 2, 2, 16]]])
    (found,) = op_table(profile(quantized), source(node), LATENCY, ONNXRUNTIME)
    assert (found.macs, found.nodes, found.title) == (16 * 4 * 8 * 9, ("n",), "n")
    assert found.bytes == 128 + 4 + 1 + 4 * 16 + 16 + 4 * 16 + 16 * 8 * 9 + 64


def test_rates_are_those_of_undisturbed_runs() -> None:
    """The profiled runs that count were not preempted; the others may have been."""
    busy = LATENCY.model_copy(update={"p50": 40.0})
    (found,) = op_table(profile(op("MatMul", 8_000_000, **TENSORS)), source(), busy, ONNXRUNTIME)
    assert (found.ms, found.profiled_ms) == (40.0, 4.0)
    assert found.gmacs_per_s == pytest.approx(500_000 / 4.0 / 1e6)


def test_a_node_that_no_delegate_took_is_a_fallback() -> None:
    shape = ("FLOAT32", (1, 8))
    operators = (FileOp("first", "ADD", (shape,), (shape,)), FileOp("second", "NON_ZERO", (shape,), (shape,)))
    kernel = op("Add (ND)", 10, "0", "xnnpack")
    left = op("NON_ZERO", 20, "1", "tflite")
    found = op_table(profile(kernel, left, exact=False), source(*operators), LATENCY, TFLITE)
    assert [one.name for one in found] == ["first", "second"]
    assert [(one.name, one.kind) for one in fallbacks(found, TFLITE)] == [("second", "NON_ZERO")]


@pytest.mark.parametrize(
    ("tensors", "size"),
    [([("float", (2, 3)), ("INT8", (4,))], 28), ([("float", (-1, 3))], None), ([("string", (1,))], None), ([], None)],
)
def test_bytes_of_tensors(tensors: list, size: int | None) -> None:
    assert tensor_bytes(tensors) == size
