"""Profiles made up for tests of rendering only. No figure was measured: they are round, and absurd for any device."""

from __future__ import annotations

from typing import Any

from latkit.graphs import ModelFile
from latkit.graphs.model_file import FileTensor
from latkit.profiling.profile import (
    Fallback,
    LatencyStatistics,
    OpTime,
    Paced,
    Peaks,
    Profile,
    Profiler,
    ReferenceTime,
)
from latkit.timing import TimingPlan

NAMES = ("stem", "middle", "head")


def made_latency(median: float) -> LatencyStatistics:
    return LatencyStatistics(
        min=median / 2,
        p50=median,
        p90=2 * median,
        p99=3 * median,
        mean=median,
        mean_low=0.5 * median,
        mean_high=1.5 * median,
        estimate=median / 2,
        low=median / 4,
        high=median,
        runs=7,
        rounds=2,
    )


def made_op(name: str, kind: str, ms: float, share: float, **changes: Any) -> OpTime:
    fields = {"placement": "made-up", "profiled_ms": ms, "macs": 10**9, "bytes": 10**6, "gmacs_per_s": 1.0 / ms}
    given = {**fields, "nodes": (name,), "output_shapes": ((1, 2, 3),), "bound": "compute", "peak_percent": 50.0}
    return OpTime(name=name, kind=kind, ms=ms, share_percent=share, **{**given, **changes})


def made_profile(name: str = "made.onnx", median: float = 100_000.0, threads: int = 1, **changes: Any) -> Profile:
    """A profile of a model of three ops, which take 50, 30 and 10 % of its median."""
    ops = (
        made_op(NAMES[0], "Conv", 0.5 * median, 50.0),
        made_op(NAMES[1], "Conv", 0.3 * median, 30.0),
        made_op(NAMES[2], "Gemm", 0.1 * median, 10.0, bound="memory", placement="elsewhere"),
    )
    model = ModelFile("a" * 64, "onnx", (FileTensor("x", "float32", (1, 2, 3)),), name=name)
    paced = Paced(interval_ms=7.0, latency_ms=made_latency(2 * median), missed=3, hot_ratio=2.0)
    fields: dict[str, Any] = {
        "target": f"made/onnxruntime-t{threads}-fp32-b1",
        "model": name,
        "sha256": model.sha256,
        "file": model.to_json(),
        "created_at": "2000-01-01T00:00:00+00:00",
        "environment": {},
        "runtime": "made-up 0",
        "delegate": "made-up",
        "agent": "python",
        "threads": threads,
        "batch": 1,
        "cores": "unpinned",
        "plan": TimingPlan().to_json(),
        "load_ms": 1.0,
        "first_run_ms": 2.0,
        "latency_ms": made_latency(median),
        "throughput_per_s": 1e3 / median,
        "peak_memory_bytes": 2**40,
        "macs": 3 * 10**9,
        "parameters": 7,
        "ops": ops,
        "overhead_ms": 0.1 * median,
        "profiler": Profiler(
            name="made-up", runs=3, run_ms=median, op_sum_ms=median, op_sum_percent=90.0, slowdown=1.25
        ),
        "fallbacks": (Fallback(name=NAMES[2], kind="Gemm", placement="elsewhere"),),
        "peaks": Peaks(gmacs_per_s=1e-3, gbytes_per_s=1e-3, measured_at=0.0),
        "paced": paced,
        "pacing": (paced,),
        "reference": ReferenceTime(key="none", ms=1.0),
    }
    return Profile(**{**fields, **changes})
