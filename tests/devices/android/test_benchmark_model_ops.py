"""The op profile of `benchmark_model`: its tables of both forms, and a session that answers with them.

A shell script replaces the tool: its figures are round, and nobody's latency.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from latkit.devices import Device, Local, Session, benchmark_tool, measuring_with, open_session
from latkit.devices.android.benchmark_model_ops import read_load_s, read_ops
from latkit.devices.sessions.model_profile import load_file, profile_ops, time_paced
from latkit.devices.transports.base import sha256_of
from latkit.errors import AgentError, DeviceError
from latkit.runtimes.artifact import FileArtifact
from latkit.targets import Target
from tests.devices.conftest import this_machine

EARLIER = """\
Profiling Info for Benchmark Initialization:
============================== Run Order ==============================
\t [node type]\t [start]\t [first]\t [avg ms]\t [%]\t [cdf%]\t [mem KB]\t[times called]\t[Name]
\t AllocateTensors\t 0.000\t 9.000\t 9.000\t100.000%\t100.000%\t 0.000\t 1\tAllocateTensors/0

Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
\t [node type]\t [start]\t [first]\t [avg ms]\t [%]\t [cdf%]\t [mem KB]\t[times called]\t[Name]
\t TfLiteGpuDelegateV2\t 0.000\t 2.000\t 3.000\t 75.000%\t 75.000%\t 0.000\t 1\t[a, b]:7
\t SOFTMAX\t 3.000\t 1.000\t 1.000\t 25.000%\t100.000%\t 0.000\t 1\t[probabilities]:6

============================== Top by Computation Time ==============================
\t [node type]\t [start]\t [first]\t [avg ms]\t [%]\t [cdf%]\t [mem KB]\t[times called]\t[Name]
\t TfLiteGpuDelegateV2\t 0.000\t 2.000\t 3.000\t 75.000%\t 75.000%\t 0.000\t 1\t[a, b]:7
"""
LATER = """\
INFO: Initialized session in 20ms.
INFO: Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the delegate.
count=3 first=5000 curr=4000 min=4000 max=5000 avg=4500 std=1
count=3 first=4000 curr=4000 min=4000 max=4000 avg=4000 std=0
INFO: Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
                  [node type]   [first]  [avg ms]       [%]    [cdf%]  [mem KB] [times called]  [Name]
 QUANTIZE 1.000 1.000 25.000% 25.000% 0.000 1 [tfl.quantize]:0
 Convolution (NHWC, F32) IGEMM 0.500 1.000 75.000% 100.000% 0.000 3 Delegate/Convolution (NHWC, F32) IGEMM:0

============================== Top by Computation Time ==============================
"""


def test_the_table_of_earlier_releases_is_read() -> None:
    gpu, softmax = read_ops(EARLIER, ("gpu",), runs=2)
    assert (gpu.kind, gpu.placement, gpu.calls, gpu.total_ns) == ("TfLiteGpuDelegateV2", "gpu", 2, 6_000_000)
    assert (softmax.name, softmax.kind, softmax.placement, softmax.total_ns) == ("6", "SOFTMAX", "tflite", 2_000_000)


def test_kernels_of_a_delegate_are_ops_of_their_own() -> None:
    quantize, conv = read_ops(LATER, ("xnnpack",), runs=3)
    assert (quantize.name, quantize.placement) == ("0", "tflite")
    assert (conv.kind, conv.placement, conv.calls) == ("Convolution (NHWC, F32) IGEMM", "xnnpack", 9)
    assert conv.total_ns == 3 * 3 * 1_000_000, "the mean is that of a call"
    assert read_load_s(LATER) == pytest.approx(0.02)


@pytest.mark.parametrize(
    "output", ["", "Operator-wise Profiling Info for Regular Benchmark Runs:\n= Run Order =\n1 2 %"]
)
def test_without_a_table_the_last_lines_are_named(output: str) -> None:
    with pytest.raises(DeviceError, match="expected benchmark_model to print the times of its ops"):
        read_ops(output, (), runs=1)


@pytest.fixture
def session(board: Device, tmp_path: Path) -> Iterator[Session]:
    """A session on this machine in which a script stands for the tool."""
    (tmp_path / "output").write_text(LATER)
    script = tmp_path / "tool"
    script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/arguments\ncat {tmp_path}/output >&2\n')
    here = this_machine(board, tmp_path, Local()).model_copy(update={"runtimes": {"tflite": "none", "onnxruntime": ""}})
    opened = open_session(here, Target("board", "tflite"), make=measuring_with(benchmark_tool(script)))
    yield opened
    opened.close()


def test_a_profile_is_filled_by_the_tool(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"a model")
    sha256 = sha256_of(path)
    artifact = FileArtifact(path, sha256, "tflite", "exporter", 0, path, sha256, ())
    loaded = load_file(session, artifact)
    assert (loaded.create_s, loaded.first_run_s) == (pytest.approx(0.02), pytest.approx(0.005))
    assert loaded.runtime_version.startswith("benchmark_model ")
    profile = profile_ops(session, artifact, runs=30, seconds=1)
    assert (profile.profiler, profile.wall_ns, profile.exact) == ("benchmark_model", (4_000_000,) * 3, False)
    assert [op.placement for op in profile.ops] == ["tflite", "xnnpack"]
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert ["--enable_op_profiling=true" in line for line in arguments] == [False] * (len(arguments) - 1) + [True]
    with pytest.raises(AgentError, match="without pauses"):
        time_paced(session, artifact, 0.01, 3, 0.001)
