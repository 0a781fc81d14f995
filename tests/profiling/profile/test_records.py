from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from latkit.errors import BadFile, UsageError
from latkit.graphs import FileTensor, ModelFile
from latkit.profiling.profile import (
    LatencyStatistics,
    ModelRequest,
    OpTime,
    Paced,
    Profile,
    ProfileRequest,
    ReferenceTime,
)
from latkit.profiling.profile.records import oldest_first
from latkit.targets import Target

TARGET = Target("here", "onnxruntime")
FILE = ModelFile("a" * 64, "onnx", (FileTensor("x", "float32", (1, 8), -4, 4),), name="net.onnx")


def a_profile() -> Profile:
    latency = LatencyStatistics(min=1.0, p50=1.5, p90=2.0, p99=2.5, mean=1.6, estimate=1.1, low=1.0, high=1.2, runs=60)
    return Profile(
        target=str(TARGET),
        model="net.onnx",
        sha256=FILE.sha256,
        file=FILE.to_json(),
        created_at="2026-01-01T00:00:00+00:00",
        environment={"device_key": "k"},
        runtime="onnxruntime 1.0",
        delegate="CPUExecutionProvider",
        agent="python",
        threads=1,
        batch=1,
        cores="unpinned",
        plan={"visits": 6},
        load_ms=12.5,
        first_run_ms=3.0,
        latency_ms=latency,
        throughput_per_s=625.0,
        ops=(OpTime(name="c", kind="Conv", placement="CPU", ms=1.0, share_percent=100, profiled_ms=1.2, macs=10),),
        paced=Paced(interval_ms=33, latency_ms=latency),
        reference=ReferenceTime(key="r", ms=0.1),
    )


def test_a_profile_survives_its_file(tmp_path: Path) -> None:
    profile = a_profile()
    profile.save(tmp_path / "p.json")
    assert Profile.load(tmp_path / "p.json") == profile
    assert profile.model_file == FILE


def test_profiles_of_one_second_are_in_order() -> None:
    made = ["2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00.000009+00:00", "2026-01-01T00:00:00.100000+00:00"]
    profiles = [a_profile().model_copy(update={"created_at": one}) for one in made]
    again = profiles[0].model_copy(update={"repetition": 1})  # written by a version that kept whole seconds
    assert oldest_first([profiles[2], again, profiles[1], profiles[0]]) == [profiles[0], again, *profiles[1:]]


def test_the_fields_that_the_command_line_promises() -> None:
    document = a_profile().to_json()
    for name in ("target", "model", "sha256", "load_ms", "first_run_ms", "latency_ms", "peak_memory_bytes", "ops"):
        assert name in document
    assert set(document["latency_ms"]) >= {"min", "p50", "p90", "p99", "mean"}
    assert set(document["ops"][0]) >= {"name", "kind", "placement", "ms", "share_percent", "macs"}
    assert document["paced"]["interval_ms"] == 33


LATENCY = {"min": 1.0, "p50": 1.5, "p90": 2.0, "p99": 2.5, "mean": 1.6, "runs": 60}
"""A latency to damage."""


@pytest.mark.parametrize(
    "change",
    [
        {"format": "latkit-profile-2"},
        {"load_ms": -1},
        {"threads": 0},
        {"ops": {}},
        {"file": {}},
        {"created_at": "yesterday"},
        {"created_at": "99999-01-01T00:00:00+00:00"},
        {"latency_ms": {**LATENCY, "estimate": 0.0, "low": 0.0, "high": 0.0}},
        {"latency_ms": {**LATENCY, "estimate": 5e-324, "low": 5e-324, "high": 5e-324}},
        {"latency_ms": {**LATENCY, "estimate": 1e308, "low": 1e308, "high": 1e308}},
        {"latency_ms": {**LATENCY, "estimate": 1.0, "low": 5.0, "high": 0.001}},
    ],
    ids=str,
)
def test_a_damaged_profile_is_refused_in_one_line(tmp_path: Path, change: dict) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({**a_profile().to_json(), **change}))
    with pytest.raises(BadFile, match=next(iter(change))):
        Profile.load(path)


def test_a_request_is_checked() -> None:
    model = ModelRequest(Path("net.onnx"))
    with pytest.raises(UsageError, match="model file"):
        ProfileRequest(TARGET, ())
    with pytest.raises(UsageError, match="interval"):
        ProfileRequest(TARGET, (model,), intervals_ms=(0.0,))
    with pytest.raises(UsageError, match="run"):
        ProfileRequest(TARGET, (model,), op_runs=0)


def test_short_models_are_profiled_more_often() -> None:
    """Profilers count whole microseconds: the times of short ops are means over many runs."""
    request = ProfileRequest(TARGET, (ModelRequest(Path("net.onnx")),))
    assert [request.profiled_runs(run_s) for run_s in (3e-4, 2.5e-3, 1.0)] == [300, 100, 30]
    assert replace(request, op_runs=3).profiled_runs(3e-4) == 3
