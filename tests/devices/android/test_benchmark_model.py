"""Google's `benchmark_model`: its output on real phones is parsed correctly, and its faults are distinguished.

The outputs here were published in issues of TensorFlow and LiteRT, whose numbers are named. For faults, a shell script
replaces the tool: its figures are round, and nobody's latency.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latkit.cli.parsing import tool_named
from latkit.devices import BenchmarkTool, Device, Local, Session, Ssh, benchmark_tool, measuring_with, open_session
from latkit.devices.android.benchmark_model_output import Share, read_delegates, read_report
from latkit.devices.registry import clear
from latkit.devices.transports import connect
from latkit.devices.trust import trust
from latkit.errors import AgentError, DeviceError, MeasurementConflict, UsageError
from latkit.ops import OVERHEAD_PROBE
from latkit.targets import Target
from latkit.testing.boards.sshd import Sshd
from latkit.timing import TimingPlan
from latkit.workspace import MeasureOptions, Workspace, check_tool
from latkit.workspace.requests import MeasureRequest
from tests.builders import conv
from tests.devices.conftest import this_machine

TARGET = Target("board", "tflite")
PLAN = TimingPlan(rounds=1, round_s=0.001)

GPU_43541 = """\
INFO: Created TensorFlow Lite delegate for GPU.
INFO: Initialized OpenCL-based API.
INFO: Created 1 GPU delegate kernels.
Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.
The input model file size (MB): 7.07479
Initialized session in 870.557ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=4 first=130565 curr=120829 min=117370 max=130565 avg=122373 std=4930

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
count=50 first=119212 curr=118055 min=113737 max=124776 avg=119375 std=1948

Inference timings in us: Init: 870557, First inference: 130565, Warmup (avg): 122373, Inference (avg): 119375
"""
CPU_77 = """\
Running benchmark for at least 4 iterations and at least 0.5 seconds
count=7 first=127425 curr=66709 min=66709 max=127425 avg=76605.9 std=20944

Running benchmark for at least 10 iterations and at least 1 seconds
count=15 first=66753 curr=66800 min=66699 max=66838 avg=66767.6 std=39

Average inference timings in us: Warmup: 76605.9, Init: 9933, no stats: 66767.6
"""


def lines(*runs_us: int) -> str:
    """The tool's output for a phase, as its stats_calculator.h formats it."""
    if len(set(runs_us)) == 1:
        return f"count={len(runs_us)} curr={runs_us[-1]}{'(all same)' if len(runs_us) > 1 else ''}\n"
    return (
        f"count={len(runs_us)} first={runs_us[0]} curr={runs_us[-1]} min={min(runs_us)} max={max(runs_us)} "
        f"avg={sum(runs_us) / len(runs_us):.6g} std=7\n"
    )


class TestOutput:
    def test_both_phases_and_the_delegate_of_a_gpu_are_read(self) -> None:
        report = read_report(GPU_43541)
        assert (report.warm_up.count, report.warm_up.mean) == (4, 122373)
        assert (report.timed.count, report.timed.first, report.timed.last) == (50, 119212, 118055)
        assert (report.timed.min_us, report.timed.max_us) == (113737, 124776)
        assert report.computed_by == "gpu"
        assert report.inference_ns == 1000 * (4 * 122373 + 50 * 119375)

    def test_an_old_build_is_read(self) -> None:
        report = read_report(CPU_77)
        assert (report.timed.count, report.timed.mean) == (15, 66767.6)
        assert report.computed_by == "cpu"

    def test_three_runs_are_reported_individually(self) -> None:
        """Of issue 66025, whose warm-up happened to be three runs."""
        messages = "INFO: count=3 first=200505 curr=187763 min=185514 max=200505 avg=191261 std=6600\n"
        assert read_report(messages + messages).timed.each_us() == (200505, 185514, 187763)

    def test_one_run_is_reported_without_statistics(self) -> None:
        """Of LiteRT's issue 134, out of a phone's log."""
        messages = "01-11 23:29:03.662  7651  7651 I tflite  : count=1 curr=1381510\n"
        assert read_report(messages + messages).timed.each_us() == (1381510,)

    @given(st.lists(st.integers(0, 30_000), min_size=1, max_size=3))
    def test_up_to_three_runs_are_what_they_were(self, runs_us: list[int]) -> None:
        assert read_report(lines(5) + lines(*runs_us)).timed.each_us() == tuple(runs_us)

    @given(st.lists(st.integers(1, 10**8), min_size=3, max_size=3))
    def test_long_runs_are_what_they_were_to_the_digits_printed(self, runs_us: list[int]) -> None:
        assert read_report(lines(5) + lines(*runs_us)).timed.each_us() == pytest.approx(
            runs_us, abs=2e-5 * sum(runs_us)
        )

    def test_figures_of_more_runs_are_not_taken_for_runs(self) -> None:
        with pytest.raises(DeviceError, match="found 50"):
            read_report(GPU_43541).timed.each_us()

    def test_figures_that_disagree_are_refused(self) -> None:
        messages = "count=3 first=10 curr=30 min=10 max=30 avg=90 std=1\n"
        with pytest.raises(DeviceError, match="those of 3 runs"):
            read_report(messages + messages).timed.each_us()

    def test_what_cannot_be_read_is_shown(self) -> None:
        with pytest.raises(DeviceError, match=r"Loaded model a\.tflite"):
            read_report("STARTING!\nLoaded model a.tflite\n" + lines(5))


DELEGATES = {
    "70664": (
        "I tflite  : Replacing 290 out of 290 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions",
        {"gpu": Share(290, 290)},
    ),
    "before it told the total": (
        "INFO: Replacing 1 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions.",
        {"gpu": Share(1)},
    ),
    "56747": (
        "INFO: TfLiteHexagonDelegate delegate: 136 nodes delegated out of 139 nodes with 2 partitions.\n\n"
        "VERBOSE: Replacing 136 node(s) with delegate (TfLiteHexagonDelegate) node, yielding 5 partitions.\n"
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
        "VERBOSE: Replacing 12 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 7 partitions.",
        {"hexagon": Share(136, 139), "xnnpack": Share(12)},
    ),
    "two in one": (
        "VERBOSE: Replacing 5 out of 64 node(s) with delegate (TfLiteNnapiDelegate) node, yielding 5 partitions\n"
        "VERBOSE: Replacing 59 out of 62 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 5 partitions",
        {"nnapi": Share(5, 64), "xnnpack": Share(59, 62)},
    ),
    "56301": (
        "I tflite: Created TensorFlow Lite delegate for NNAPI.\nI tflite: NNAPI delegate created.\n"
        "I tflite: Though NNAPI delegate is explicitly applied, the model graph will not be executed by the delegate.",
        {},
    ),
    "83344": ("INFO: TfLiteQnnDelegate delegate: 0 nodes delegated out of 31 nodes with 0 partitions.", {}),
}


@pytest.mark.parametrize("issue", DELEGATES)
def test_what_delegates_take_is_read(issue: str) -> None:
    messages, fractions = DELEGATES[issue]
    assert read_delegates(messages) == fractions


class TestTool:
    def test_a_missing_file_is_reported(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="found no file"):
            benchmark_tool(tmp_path / "benchmark_model")

    @pytest.mark.parametrize(
        "flag", ["graph=/etc/passwd", "use_gpu", "use_gpu=yes", "gpu_backend=cl;reboot", "use_gpu =1"]
    )
    def test_other_flags_are_refused(self, tmp_path: Path, flag: str) -> None:
        (tmp_path / "tool").write_bytes(b"")
        with pytest.raises(UsageError, match="expected"):
            benchmark_tool(tmp_path / "tool", [flag])

    def test_the_command_line_requires_a_tool_with_flags_and_tflite_with_a_tool(self, tmp_path: Path) -> None:
        (tmp_path / "tool").write_bytes(b"")
        with pytest.raises(UsageError, match="--benchmark-tool PATH"):
            tool_named(None, ["use_gpu=true"])
        assert tool_named(None, None) is None
        request = MeasureRequest(benchmark_tool=tool_named(tmp_path / "tool", ["--use_gpu=true"]))
        with pytest.raises(UsageError, match="board/onnxruntime"):
            request.tool([TARGET, Target("board", "onnxruntime")])
        assert request.tool([TARGET]).flags == {"use_gpu": "true"}
        assert MeasureRequest().tool([TARGET]) is None


APPLIED = """\
INFO: Replacing 61 out of 63 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 3 partitions.
Explicitly applied GPU delegate, and the model graph will be partially executed by the delegate w/ 1 delegate kernels.
"""
ROUND = lines(1000, 2000) + lines(3000, 1000, 2000)

OTHER_PROCESSOR = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xff\xff" + bytes(100)
"""The beginning of an ELF program for a processor that does not exist."""
NO_HEXAGON = "WARNING: Could not create Hexagon delegate: platform may not support delegate or libraries are missing\n"

MakeTool = Callable[..., BenchmarkTool]


@pytest.fixture
def make_tool(tmp_path: Path) -> MakeTool:
    """Makes a script that records its arguments, one per line, prints something, and does something."""

    def make(messages: str = ROUND, then: str = "exit 0", flags: list[str] | None = None) -> BenchmarkTool:
        (tmp_path / "said").write_text(messages)
        script = tmp_path / "fake_tool"
        record = f"""printf '%s\\n' "$@" >> {tmp_path}/words"""
        script.write_text(f"#!/bin/sh\n{record}\ncat {tmp_path}/said >&2\n{then}\n")
        return benchmark_tool(script, flags or [])

    return make


@pytest.fixture
def here(board: Device, tmp_path: Path) -> Device:
    """This machine as a device that has tflite."""
    device = this_machine(board, tmp_path, Local())
    return device.model_copy(update={"runtimes": {"tflite": "none of the agent's is used", "onnxruntime": "likewise"}})


@pytest.fixture
def opened(here: Device) -> Iterator[Callable[[BenchmarkTool], Session]]:
    """Opens a session on this machine, in which a tool measures."""
    sessions: list[Session] = []

    def open_with(tool: BenchmarkTool) -> Session:
        sessions.append(open_session(here, TARGET, make=measuring_with(tool)))
        return sessions[-1]

    yield open_with
    for session in sessions:
        session.close()


class TestSession:
    def test_a_round_holds_the_runs_of_one_block(self, opened, make_tool, make_model, tmp_path: Path) -> None:
        session, workload, reference = opened(make_tool()), make_model(32), make_model(16)
        one_round = session.measure_round(workload, reference, PLAN)
        assert one_round.wall_ns == (3_000_000, 1_000_000, 2_000_000)
        assert one_round.reference_wall_ns == 2 * one_round.wall_ns
        assert set(one_round.cpu_ns) == set(one_round.preemptions) == set(one_round.reference_cpu_ns) == {0}
        assert one_round.conditions["turn"] == {"subject_runs": 3, "reference_runs": 3}
        assert one_round.conditions["inference_ns"] == 3 * 9_000_000
        assert {"before", "after", "push_s", "delegated"} <= one_round.conditions.keys()
        graphs = [word[-64:] for word in (tmp_path / "words").read_text().splitlines() if word.startswith("--graph=")]
        assert graphs == [reference.sha256, workload.sha256, reference.sha256]

    def test_nothing_measured_otherwise_merges_with_it(self, opened, make_tool, make_model) -> None:
        reference, flags = make_model(16), ["use_gpu=true", "gpu_backend=cl"]
        tool = make_tool(APPLIED + ROUND, flags=flags)
        environment = opened(tool).environment(reference, reference)
        assert environment.agent == "benchmark_model"
        assert environment.runtime_version == f"benchmark_model {tool.sha256[:12]}"
        assert environment.delegate == "gpu 61/63 nodes; gpu_backend=cl use_gpu=true"
        plain = opened(make_tool(then="exit # another build")).environment(reference, reference)
        assert plain.delegate == "cpu"
        with pytest.raises(MeasurementConflict, match=r"runtime_version.*delegate"):
            environment.check_same(plain)
        assert tool.has_measured(environment)
        assert not tool.has_measured(plain)
        assert not tool.has_measured(replace(environment, agent="native"))
        assert not benchmark_tool(tool.path, ["use_gpu=true"]).has_measured(environment)

    def test_a_run_below_the_tools_resolution_is_marked(self, opened, make_tool, make_model) -> None:
        one_round = opened(make_tool(lines(0) + lines(0, 1, 0))).measure_round(make_model(32), make_model(16), PLAN)
        assert one_round.wall_ns == (1000, 1000, 1000)
        assert one_round.conditions["below_1_us"] == 2

    def test_flags_reach_the_tool_as_they_are(self, opened, make_tool, make_model, tmp_path: Path) -> None:
        tool = make_tool(APPLIED + ROUND, flags=["use_gpu=true", "gpu_precision_loss_allowed=false"])
        one_round = opened(tool).measure_round(make_model(32), make_model(16), PLAN)
        recorded = (tmp_path / "words").read_text().splitlines()
        assert {"--use_gpu=true", "--gpu_precision_loss_allowed=false", "--num_threads=1", "--num_runs=3"} <= set(
            recorded
        )
        assert one_round.conditions["delegated"] == {"gpu": {"nodes": 61, "of": 63}}

    def test_pinning_is_the_tools(self, opened, make_tool, make_model, tmp_path: Path) -> None:
        session, reference = opened(make_tool(then=f"taskset -p $$ > {tmp_path}/mask")), make_model(16)
        assert session.pin((0,))
        session.load(reference)
        assert (tmp_path / "mask").read_text().strip().endswith("mask: 1")

    def test_removing_the_device_removes_the_tool(self, opened, make_tool, here: Device) -> None:
        opened(make_tool()).close()
        assert list(Path(here.folder).glob("benchmark_model-*"))
        with connect(here.transport) as transport:
            clear(transport, here.folder)
        assert not Path(here.folder).exists()

    def test_a_target_of_another_runtime_is_refused(self, here: Device, make_tool) -> None:
        with pytest.raises(UsageError, match="runtime tflite"):
            open_session(here, Target("board", "onnxruntime"), make=measuring_with(make_tool()))


FAULTS = {
    "rejected": ("Failed to mmap model /data/local/tmp/m\nBenchmarking failed.\n", "exit 1", "bad-model: .*mmap model"),
    "49247": (
        "ERROR: hexagon_nn_config failed. Error: -1\n"
        "ERROR: Restored original execution plan after delegate application failure.\n"
        "Failed to apply Hexagon delegate.\nBenchmarking failed.\n",
        "exit 1",
        "delegate: .*Failed to apply Hexagon delegate",
    ),
    "on the CPU instead": (
        NO_HEXAGON + ROUND,
        "exit 0",
        "delegate: .*computed nothing on hexagon: .*platform may not support",
    ),
    "crashed": ("Loaded model m\n", "kill -SEGV $$", "crash: "),
}


class TestFaults:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_the_model_is_at_fault(self, fault: str, opened, make_tool, make_model) -> None:
        messages, then, message = FAULTS[fault]
        session = opened(make_tool(messages, then, ["use_hexagon=true", "hexagon_lib_path=/data/local/tmp"]))
        with pytest.raises(AgentError, match=message):
            session.load(make_model(32))

    def test_a_fault_of_the_reference_is_not_blamed_on_the_workload(self, opened, make_tool, make_model) -> None:
        session = opened(make_tool("", "exit 1"))
        with pytest.raises(DeviceError, match="the reference") as caught:
            session.measure_round(make_model(32), make_model(16), PLAN)
        assert not isinstance(caught.value, AgentError)

    def test_a_flag_that_the_tool_ignores_is_no_flag(self, opened, make_tool, make_model) -> None:
        warning = "WARN: Unconsumed cmdline flags: --use_hexagon=true\n"
        session = opened(make_tool(warning + ROUND, flags=["use_hexagon=true"]))
        with pytest.raises(DeviceError, match="Unconsumed"):
            session.load(make_model(32))

    def test_an_output_that_cannot_be_read_is_shown(self, opened, make_tool, make_model) -> None:
        with pytest.raises(DeviceError, match="Segment tree"):
            opened(make_tool("Segment tree ready\n")).load(make_model(32))

    def test_a_program_for_another_processor_is_reported(self, opened, make_model, tmp_path: Path) -> None:
        program = tmp_path / "other"
        program.write_bytes(OTHER_PROCESSOR)
        program.chmod(stat.S_IRWXU)
        with pytest.raises(
            DeviceError, match=r"does not run .*other .*Exec format error.*expected a benchmark_model built"
        ):
            opened(benchmark_tool(program)).load(make_model(32))

    def test_it_is_reported_over_another_transport_too(
        self, sshd: Sshd, board: Device, tmp_path: Path, make_model
    ) -> None:
        device = this_machine(board, tmp_path, Ssh(host="board", config=str(sshd.config)))
        device = device.model_copy(update={"runtimes": {"tflite": "none of the agent's is used"}})
        (tmp_path / "other").write_bytes(OTHER_PROCESSOR)
        with (
            open_session(device, TARGET, make=measuring_with(benchmark_tool(tmp_path / "other"))) as session,
            pytest.raises(DeviceError, match=r"does not run .*other"),
        ):
            session.load(make_model(32))


def test_a_collection_is_stored_separately_and_resumed(
    here: Device, make_tool, make_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace.init(tmp_path / "workspace")
    here.write(workspace.devices_dir)
    trust(here)
    monkeypatch.setattr("latkit.devices.sessions.compatibility.check_same_device", lambda *_arguments: None)
    artifact = make_model(16)
    monkeypatch.setattr(Workspace, "exporter", lambda *_arguments: lambda _workload: artifact)
    plan = TimingPlan(rounds=2, round_s=0.001, extra_rounds=0)
    for resumed in (0, 4):
        with workspace.collection(TARGET, MeasureOptions(plan, tool=make_tool())) as collection:
            summary = collection.run([conv(8), OVERHEAD_PROBE])
            assert (summary.rounds, summary.resumed, summary.failed) == (4 - resumed, resumed, {})
    measured = workspace.measurements(TARGET)
    assert {measurement.environment.agent for measurement in measured} == {"benchmark_model"}
    assert not list(workspace.check_baselines("board")), "doctor has no tool to look at the scale with"
    model = workspace.fit_model(TARGET)
    check_tool(model, make_tool())
    with pytest.raises(
        UsageError, match=r"expected to measure with benchmark_model \w+ \(cpu\), .* found latkit's agent"
    ):
        check_tool(model, None)
    with pytest.raises(UsageError, match=r"use_gpu=true"):
        check_tool(model, make_tool(flags=["use_gpu=true"]))
