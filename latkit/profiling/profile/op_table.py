"""The op table: a profile's ops with their share of the latency, MACs, bytes, achieved rates and bound."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Literal

from latkit.artifacts.files import FileOp, ModelSource
from latkit.devices import OpProfile
from latkit.devices.sessions.answers import ProfiledOp
from latkit.graphs.op_macs import op_macs
from latkit.profiling.profile.records import Fallback, LatencyStatistics, OpTime, Peaks, Profiler
from latkit.runtimes.base import ExecutedOp, Runtime
from latkit.runtimes.litert.alignment import align

ELEMENT_BYTES = {
    **dict.fromkeys(("float", "float32", "int32", "uint32"), 4),
    **dict.fromkeys(("float16", "bfloat16", "int16", "uint16"), 2),
    **dict.fromkeys(("double", "float64", "int64", "uint64"), 8),
    **dict.fromkeys(("int8", "uint8", "bool"), 1),
}
"""Bytes of an element by its type, as onnxruntime, numpy and (in lower case) TFLite name it."""

PRODUCTS = ("MatMul", "Gemm", "FusedMatMul", "FusedGemm")
"""Operators of onnxruntime that pack their weights, and then list the other input only."""

MAX_SLOWDOWN = 1.5
"""Of profiled runs over others, up to which ops have rates: beyond it the profiler is most of what is timed."""

MIN_CALL_MS = 0.005
"""Time of one call from which an op has rates: profilers count whole microseconds, and leave out the rest."""

Tensors = Sequence[tuple[str, tuple[int, ...]]]


def op_table(
    profile: OpProfile, source: ModelSource, latency: LatencyStatistics, runtime: Runtime
) -> tuple[OpTime, ...]:
    """The ops in the order of execution, without bounds. Times are scaled to the unprofiled median latency."""
    runs, run_ms = len(profile.wall_ns), _mean_ms(profile.wall_ns)
    total_ms = max(run_ms, sum(op.total_ns for op in profile.ops) / runs / 1e6)
    slowdown = _slowdown(profile, latency)
    operators = _operators(profile, source, runtime)
    known_nodes = {operator.name: operator for operator in source.operators}
    made = []
    for op, nodes, operator in zip(profile.ops, _nodes(profile, source, runtime), operators, strict=True):
        inputs, outputs = _tensors(op, operator)
        node = known_nodes.get(nodes[0]) if nodes else None
        inputs = _with_packed(op.kind, _with_weights(inputs, node, op.kind), outputs)
        profiled_ms = op.total_ns / runs / 1e6
        share = profiled_ms / total_ms
        calls = op.calls / runs
        macs = op_macs(operator.kind if operator else op.kind, _shapes(inputs), _shapes(outputs))
        if macs is None and node is not None:  # as in the file, where an input of the runtime's own operator is gone
            macs = op_macs(node.kind, [*_shapes(inputs[:1]), *_shapes(node.inputs[1:])], _shapes(outputs))
        size = tensor_bytes((*inputs, *outputs))
        known = OpTime(
            name=operator.name if operator else op.name,
            kind=op.kind,
            placement=op.placement,
            ms=share * latency.p50,
            share_percent=100 * share,
            profiled_ms=profiled_ms,
            calls=calls,
            macs=None if macs is None else round(macs * calls),
            bytes=None if size is None else round(size * calls),
            nodes=(operator.name,) if operator else nodes or ((op.name,) if profile.exact else ()),
            input_shapes=tuple(shape for _, shape in inputs),
            output_shapes=tuple(shape for _, shape in outputs),
        )
        made.append(_with_rates(known) if slowdown <= MAX_SLOWDOWN and is_timed(known) else known)
    return tuple(made)


def reached_peaks(table: Sequence[OpTime], peaks: Peaks) -> Peaks:
    """The peaks, with the compute rate of the fastest op if that is above the matrix product's.

    A peak is the highest rate that was seen. Other work on the device, or a matrix product that the runtime executes
    less well than this op, leaves the measured one too low. Memory's rate stays: caches exceed it.
    """
    fastest = max((op.gmacs_per_s or 0.0 for op in table), default=0.0)
    return peaks.model_copy(update={"gmacs_per_s": max(peaks.gmacs_per_s, fastest)})


def with_bounds(table: Sequence[OpTime], peaks: Peaks) -> tuple[OpTime, ...]:
    """The ops that have rates, each with the nearer of both peaks and its share of it."""
    return tuple(_with_bound(op, peaks) for op in table)


def profiler_record(profile: OpProfile, latency: LatencyStatistics) -> Profiler:
    """What the profiled runs were like beside the unprofiled ones."""
    run_ms = _mean_ms(profile.wall_ns)
    sum_ms = sum(op.total_ns for op in profile.ops) / len(profile.wall_ns) / 1e6
    return Profiler(
        name=profile.profiler,
        runs=len(profile.wall_ns),
        run_ms=run_ms,
        op_sum_ms=sum_ms,
        op_sum_percent=100 * sum_ms / run_ms,
        slowdown=_slowdown(profile, latency),
        exact_fusion=profile.exact,
    )


def is_timed(op: OpTime) -> bool:
    """Whether a call of the op takes several steps of the profiler's clock."""
    return op.calls > 0 and op.profiled_ms / op.calls >= MIN_CALL_MS


def fallbacks(ops: Sequence[OpTime], runtime: Runtime) -> tuple[Fallback, ...]:
    """The nodes that the delegate left to the interpreter; none where the runtime has no delegates."""
    left = [op for op in ops if runtime.interpreter and op.placement == runtime.interpreter]
    return tuple(Fallback(name=op.name, kind=op.kind, placement=op.placement) for op in left)


def tensor_bytes(tensors: Tensors) -> int | None:
    """Size of tensors together; None if one has an open size or an unknown type, or if there are none."""
    sizes = [ELEMENT_BYTES.get(kind.lower()) for kind, _ in tensors]
    if not tensors or None in sizes or any(size < 0 for _, shape in tensors for size in shape):
        return None
    return sum(math.prod(shape) * (size or 0) for (_, shape), size in zip(tensors, sizes, strict=True))


def _nodes(profile: OpProfile, source: ModelSource, runtime: Runtime) -> list[tuple[str, ...]]:
    """The nodes of the file that each op computes, its own operator first, where the profiler reports nodes."""
    if not profile.exact:
        return [()] * len(profile.ops)
    nodes_of = runtime.nodes_of([operator.node for operator in source.operators])
    return [nodes_of(ExecutedOp(op.name, op.kind, op.placement)) for op in profile.ops]


def _operators(profile: OpProfile, source: ModelSource, runtime: Runtime) -> list[FileOp | None]:
    """The file's operator for each op, where the profiler reports kernels of its own instead of nodes."""
    if profile.exact or not source.operators:
        return [None] * len(profile.ops)
    kernels = [place for place, op in enumerate(profile.ops) if op.placement != runtime.interpreter]
    found: list[FileOp | None] = [None] * len(profile.ops)
    for place, op in enumerate(profile.ops):
        if op.placement == runtime.interpreter and op.name.isdigit() and int(op.name) < len(source.operators):
            found[place] = source.operators[int(op.name)]
    taken = {id(operator) for operator in found if operator}
    free = [operator for operator in source.operators if id(operator) not in taken]
    aligned = align([profile.ops[place].kind for place in kernels], free)
    for place, number in zip(kernels, aligned, strict=True):
        found[place] = None if number is None else free[number]
    return found


def _tensors(op: ProfiledOp, operator: FileOp | None) -> tuple[Tensors, Tensors]:
    if operator is not None:
        return [t for t in operator.inputs if t[0]], operator.outputs
    return _of_answer(op.inputs), _of_answer(op.outputs)


def _with_weights(traced: Tensors, node: FileOp | None, kind: str) -> Tensors:
    """The inputs that a runtime traced, and the weights that it has packed and no longer lists, from the file.

    `kind`: the op's. An operator of the runtime's own, such as one for quantized tensors, has further inputs.
    """
    if node is None:
        return traced
    if kind != node.kind:
        shapes = {shape for _, shape in traced}
        return [*traced, *(weight for weight in node.inputs if weight[0] and weight[1] not in shapes)]
    if len(traced) >= len(node.inputs):
        return traced
    rest = list(traced)
    joined: list[tuple[str, tuple[int, ...]]] = []
    for kind, shape in node.inputs:
        known = next((tensor for tensor in rest if not kind or tensor[1] == shape), None)
        if known is not None:
            rest.remove(known)
            joined.append(known)
        elif kind:
            joined.append((kind, shape))
    return [*joined, *rest]


def _with_packed(kind: str, inputs: Tensors, outputs: Tensors) -> Tensors:
    """The inputs with the packed weights of a matrix product, whose shape follows from the other two."""
    if kind not in PRODUCTS or len(inputs) != 1 or not outputs or not inputs[0][1] or not outputs[0][1]:
        return inputs
    return [inputs[0], (inputs[0][0], (inputs[0][1][-1], outputs[0][1][-1]))]


def _of_answer(tensors: Sequence[Sequence[object]]) -> list[tuple[str, tuple[int, ...]]]:
    return [
        (kind, tuple(int(size) for size in shape))
        for kind, shape in tensors
        if isinstance(kind, str) and isinstance(shape, list)
    ]


def _slowdown(profile: OpProfile, latency: LatencyStatistics) -> float:
    return statistics.median(profile.wall_ns) / 1e6 / latency.p50


def _with_rates(op: OpTime) -> OpTime:
    """The op with its achieved rates.

    Other work on the device lengthens the unprofiled runs, of which `ms` is a share. The profiled ones that count were
    not preempted; but the profiler lengthens them. So the shorter of both times is the nearer to the op's own.
    """
    ms = min(op.ms, op.profiled_ms)
    rates = {
        "gmacs_per_s": None if op.macs is None else op.macs / ms / 1e6,
        "gbytes_per_s": None if op.bytes is None else op.bytes / ms / 1e6,
    }
    return op.model_copy(update=rates)


def _with_bound(op: OpTime, peaks: Peaks) -> OpTime:
    """The op with the nearer of both peaks, if it has rates.

    An op that moves its bytes faster than memory can finds them in the caches: memory does not bound it.
    """
    if op.gmacs_per_s is None or op.gbytes_per_s is None:
        return op
    compute, memory = op.gmacs_per_s / peaks.gmacs_per_s, op.gbytes_per_s / peaks.gbytes_per_s
    if compute < memory and memory > 1:
        return op.model_copy(update={"bound": "cache"})
    bound: Literal["compute", "memory"] = "compute" if compute > memory else "memory"
    return op.model_copy(update={"bound": bound, "peak_percent": 100 * max(compute, memory)})


def _mean_ms(wall_ns: Sequence[int]) -> float:
    return sum(wall_ns) / len(wall_ns) / 1e6


def _shapes(tensors: Tensors) -> list[tuple[int, ...]]:
    return [shape for _, shape in tensors]
