"""Sessions measure on real devices, and end in bounded time whatever happens to the agent."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from latkit.artifacts.cache import ArtifactCache
from latkit.devices import Device, Session, SessionOptions, Ssh, open_session
from latkit.devices.agent import PROTOCOL
from latkit.devices.cpu_topology import ranges
from latkit.devices.sessions.agent_client import Answer, Link
from latkit.devices.sessions.agent_launcher import launch
from latkit.devices.transports import Local, Stream, connect
from latkit.devices.transports.base import sha256_of
from latkit.errors import AgentError, DeadlineExceeded, DeviceGone, RuntimeMissing, Unreachable, UsageError
from latkit.targets import Target
from latkit.timing import REFERENCE, TimingPlan
from tests.devices.agent_file import agent_file
from tests.waiting import ending_soon, soon

TARGET = Target("board", "onnxruntime")
PLAN = TimingPlan(rounds=1, round_s=0.05, round_runs=20)
ENDLESS = TimingPlan(rounds=1, round_s=100, round_runs=10**9)
LONG = {"visit_s": 600, "visit_runs": 10**9}


def agent_pid(device: Device) -> int:
    """Process id of the one agent of a device of these tests."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                arguments = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"{device.folder}/models".encode() in arguments and arguments[0] == device.python.encode():
                return int(folder.name)
    raise AssertionError("no agent runs")


def in_the_middle(session: Session, act: Callable[[int], None]) -> threading.Timer:
    """Do that to the agent, half a second after it was asked for a round."""
    timer, ask = threading.Timer(0.5, lambda: act(agent_pid(session.device))), session._link.ask

    def asking(request: str, deadline_s: float, **fields: object) -> Answer:
        if request == "time":
            timer.start()
        return ask(request, deadline_s, **fields)

    session._link.ask = asking  # type: ignore[method-assign]
    return timer


class TestMeasuring:
    def test_a_round_has_its_samples_and_conditions(self, here: Device, make_model) -> None:
        workload, reference = make_model(64, 8), make_model(32)
        with open_session(here, TARGET) as session:
            one_round = session.measure_round(workload, reference, PLAN)
        assert len(one_round.wall_ns) == len(one_round.cpu_ns) == len(one_round.preemptions) <= 20
        assert len(one_round.reference_wall_ns) == len(one_round.reference_cpu_ns)
        assert min(one_round.wall_ns) > 0
        assert min(one_round.cpu_ns) >= 0
        assert abs(one_round.started_at - time.time()) < 100
        assert set(one_round.conditions) == {"before", "after", "turn", "inference_ns", "push_s", "load_s"}
        assert one_round.conditions["before"]["monotonic_s"] < one_round.conditions["after"]["monotonic_s"]  # type: ignore[index]

    def test_cpu_and_wall_time_belong_together(self, here: Device, make_model) -> None:
        with open_session(here, TARGET) as session:
            one_round = session.measure_round(make_model(256, 16, batch=64), make_model(), PLAN)
        assert sum(one_round.cpu_ns) < 3 * sum(one_round.wall_ns) + 10**7
        assert sum(one_round.cpu_ns) > 0

    def test_what_identifies_the_numbers(self, here: Device, make_model) -> None:
        workload, reference = make_model(), make_model(8)
        with open_session(here, TARGET) as session:
            environment = session.environment(workload, reference)
            assert session.environment(workload, reference, "another").reference_key == "another"
        assert environment.device_key == here.key
        assert environment.runtime_version.startswith("onnxruntime ")
        assert (environment.delegate, environment.exporter, environment.opset) == (
            "CPUExecutionProvider",
            "tests 1",
            17,
        )
        assert (environment.affinity, environment.reference_key, environment.protocol) == (
            "unpinned",
            REFERENCE.key,
            PROTOCOL,
        )

    def test_what_timed_them_is_part_of_it(self, here: Device, make_model) -> None:
        """Here Python's agent, which the session takes for the native one that the device's file names."""
        native = here.model_copy(update={"agent": "native", "python": None})
        with open_session(
            here, TARGET, make=lambda opened, *rest: Session(replace(opened, device=native), *rest)
        ) as session:
            assert session.environment(make_model(), make_model(8)).agent == "native"

    def test_files_are_pushed_once(self, here: Device, make_model) -> None:
        workload, reference = make_model(), make_model(8)
        with open_session(here, TARGET) as session:
            session.load(workload)
            session.load(workload)
        agents = list(Path(here.folder).glob("agent-*.pyz"))
        assert [path.read_bytes() for path in agents] == [agent_file().read_bytes()]
        places = [*agents, Path(here.folder) / "models" / workload.sha256]
        before = [path.stat().st_ino for path in places]
        with open_session(here, TARGET) as session:
            session.measure_round(workload, reference, PLAN)
        assert [path.stat().st_ino for path in places] == before

    def test_a_damaged_agent_or_model_is_replaced(self, here: Device, make_model) -> None:
        workload = make_model()
        with open_session(here, TARGET) as session:
            session.load(workload)
        (agent,) = Path(here.folder).glob("agent-*.pyz")
        agent.write_text("raise SystemExit('damaged')")
        (Path(here.folder) / "models" / workload.sha256).write_bytes(b"damaged")
        with open_session(here, TARGET) as session:
            session.load(workload)

    def test_a_budget_for_loaded_models(self, here: Device, make_model) -> None:
        reference, workloads = make_model(8), [make_model(32, layers) for layers in range(1, 6)]
        budget = 3 * workloads[-1].path.stat().st_size
        with open_session(here, TARGET, SessionOptions(loaded_bytes=budget)) as session:
            for _ in range(2):
                for workload in workloads:
                    session.measure_round(workload, reference, PLAN)
                    assert {workload.sha256, reference.sha256} <= set(session._loaded)
                    assert sum(session._sizes.values()) <= budget
                    assert set(session._sizes) == set(session._loaded)
            assert len(session._loaded) < 6

    def test_workload_and_reference_may_be_the_same(self, here: Device, make_model) -> None:
        model = make_model()
        with open_session(here, TARGET, SessionOptions(loaded_bytes=1)) as session:
            assert session.measure_round(model, model, PLAN).wall_ns

    def test_a_model_that_is_none(self, here: Device, make_model, tmp_path: Path) -> None:
        path = tmp_path / "foreign"
        path.write_bytes(b"not an onnx file")
        sha256 = "9c4c1a1b65b4d3c7a8b9d3ea4d3a5d6f5d8b6a0d1d5f0d8a3f0b6f8e9d7c6b5a"
        unexpected = replace(make_model(), path=path, sha256=sha256)
        with open_session(here, TARGET) as session:
            with pytest.raises(AgentError, match="hash-mismatch"):
                session.load(unexpected)
            with pytest.raises(AgentError, match="bad-model"):
                session.load(replace(unexpected, sha256=sha256_of(path)))
            session.load(make_model())


class TestOtherRuntimes:
    def test_torch_finds_the_shape_in_the_file(self, here: Device, tmp_path: Path) -> None:
        device = here.model_copy(update={"runtimes": {"torch": "torch"}})
        target = Target("board", "torch")
        artifact = ArtifactCache(tmp_path / "artifacts").artifact(REFERENCE, target)
        with open_session(device, target) as session:
            inputs = session._handle(artifact).inputs
            environment = session.environment(artifact, artifact)
            assert session.measure_round(artifact, artifact, PLAN).wall_ns
        assert [item.shape for item in inputs] == [[1, *REFERENCE.input_shape]]
        assert environment.runtime_version.startswith("torch ")

    def test_tflite(self, here: Device, tmp_path: Path) -> None:
        pytest.importorskip("litert_torch")
        device = here.model_copy(update={"runtimes": {"tflite": "ai-edge-litert"}})
        target = Target("board", "tflite")
        artifact = ArtifactCache(tmp_path / "artifacts").artifact(REFERENCE, target)
        with open_session(device, target) as session:
            assert session.environment(artifact, artifact).delegate == "xnnpack"
            assert session.measure_round(artifact, artifact, PLAN).wall_ns


class TestFaults:
    def test_the_agent_is_killed(self, here: Device, make_model) -> None:
        with open_session(here, TARGET) as session:
            timer = in_the_middle(session, lambda pid: os.kill(pid, signal.SIGKILL))
            with ending_soon(), pytest.raises(DeviceGone, match="board: the agent died during 'time'"):
                session.measure_round(make_model(), make_model(8), ENDLESS)
            timer.join()
            with pytest.raises(DeviceGone):
                session.conditions()

    def test_the_agent_is_stopped(self, here: Device, make_model) -> None:
        with open_session(here, TARGET, SessionOptions(silence_s=2.5)) as session:
            stopped: list[int] = []
            timer = in_the_middle(session, lambda pid: (stopped.append(pid), os.kill(pid, signal.SIGSTOP))[1])  # type: ignore[func-returns-value]
            with ending_soon(), pytest.raises(DeadlineExceeded, match=r"no sign of life for 2\.5 s"):
                session.measure_round(make_model(), make_model(8), ENDLESS)
            timer.join()
        assert soon(lambda: not Path(f"/proc/{stopped[0]}").exists())

    def test_a_deadline_passes_in_spite_of_heartbeats(self, here: Device, make_model) -> None:
        with open_session(here, TARGET) as session:
            handle = session._handle(make_model()).handle
            with pytest.raises(DeadlineExceeded, match=r"took longer than 1\.5 s"):
                session._link.ask("time", 1.5, handle=handle, reference=handle, **LONG)
            with pytest.raises(DeviceGone):
                session.conditions()

    def test_closing_ends_the_agent(self, here: Device) -> None:
        session = open_session(here, TARGET)
        pid = agent_pid(here)
        session.close()
        session.close()
        assert soon(lambda: not Path(f"/proc/{pid}").exists())


class TestRefusals:
    def test_a_runtime_that_the_device_lacks(self, board: Device) -> None:
        with pytest.raises(RuntimeMissing, match=r"board lacks .* onnxruntime .*latkit device doctor board --install"):
            open_session(board, TARGET)

    def test_a_runtime_that_has_gone(self, here: Device, make_model) -> None:
        device = here.model_copy(update={"runtimes": {"torch_cuda": "torch"}})
        expected = pytest.raises(RuntimeMissing, match="it needs CUDA there")
        with open_session(device, Target("board", "torch_cuda")) as session, expected:
            session.load(make_model())

    def test_more_threads_than_cores(self, board: Device) -> None:
        with pytest.raises(UsageError, match="asks for 3 threads, but board has 2 cores"):
            open_session(board, Target("board", "tflite", threads=3))

    def test_a_target_of_another_device(self, board: Device) -> None:
        with pytest.raises(UsageError, match="expected a target of device board, but found other/tflite"):
            open_session(board, Target("other", "tflite"))

    def test_a_device_that_is_off(self, board: Device, tmp_path: Path) -> None:
        (tmp_path / "config").write_text("")
        address = Ssh(host="127.0.0.1", port=1, config=str(tmp_path / "config"))
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1: cannot connect"):
            open_session(board.model_copy(update={"transport": address}), Target("board", "tflite"))

    def test_an_interpreter_that_is_none(self, here: Device) -> None:
        with pytest.raises(DeviceGone):
            open_session(here.model_copy(update={"python": "/latkit/no/python"}), TARGET)


class Scripted(Stream):
    """An agent that gives answers written by the test."""

    def __init__(self, *lines: bytes) -> None:
        self.lines = list(lines)
        self.heard: list[bytes] = []
        self.closed = False

    def write_line(self, line: bytes) -> None:
        self.heard.append(line)

    def read_line(self, _timeout_s: float) -> bytes:
        if not self.lines:
            raise DeadlineExceeded("nothing")
        return self.lines.pop(0)

    @property
    def exit_status(self) -> int | None:
        return None

    def stderr_tail(self) -> str:
        return ""

    def close_input(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class TestLink:
    @pytest.mark.parametrize(
        "line",
        [b"garbage", b"[]", b"{}", b'{"id": 7, "result": {}}', b'{"id": 1, "result": 3}', b"\xff", b'{"id": 1}'],
    )
    def test_garbage_from_an_agent(self, line: bytes) -> None:
        stream = Scripted(line)
        with pytest.raises(DeviceGone, match="expected an"):
            Link(stream, "board").ask("conditions", 1)
        assert stream.closed

    def test_another_protocol(self) -> None:
        with pytest.raises(AgentError, match="expected protocol 1, but found 2"):
            Link(Scripted(b'{"id": 1, "result": {"protocol": 2}}'), "board").hello()
        with pytest.raises(AgentError, match="speaks 2"):
            Link(Scripted(b'{"id": 1, "error": {"kind": "protocol", "message": "speaks 2"}}'), "board").hello()

    def test_an_error_of_the_agent_leaves_the_link_open(self) -> None:
        stream = Scripted(b'{"id": 1, "error": {"kind": "memory", "message": "full"}}', b'{"id": 2, "result": {}}')
        link = Link(stream, "board")
        with pytest.raises(AgentError, match=r"memory: full \(on board\)") as caught:
            link.ask("load", 1)
        assert caught.value.kind == "memory"
        assert link.ask("files", 1) == {}
        assert not stream.closed

    def test_an_interrupt_closes_the_link(self) -> None:
        class Interrupted(Scripted):
            def read_line(self, _timeout_s: float) -> bytes:
                raise KeyboardInterrupt

        stream = Interrupted()
        with pytest.raises(KeyboardInterrupt):
            Link(stream, "board").ask("conditions", 1)
        assert stream.closed


def test_an_agent_that_cannot_start(tmp_path: Path) -> None:
    with connect(Local()) as transport, pytest.raises(DeviceGone, match=r"the agent died (during|before) 'hello'"):
        launch(transport, "board", str(tmp_path), "/bin/false")


@pytest.mark.parametrize(("cores", "text"), [((0,), "0"), ((0, 1, 2, 3), "0-3"), ((5, 0, 1, 7), "0-1,5,7")])
def test_ranges(cores: tuple[int, ...], text: str) -> None:
    assert ranges(cores) == text


def test_a_session_is_a_context(here: Device) -> None:
    with open_session(here, TARGET) as session:
        assert isinstance(session, Session)
        assert session.conditions()["load1"] is not None

    def test_a_request_that_holds_the_interpreter_may_be_silent_for_longer(self) -> None:
        stream = Scripted()
        with pytest.raises(DeadlineExceeded, match="no sign of life for 52 s"):
            Link(stream, "board", silence_s=2.0).ask_blocking("load", 1000, 50, {})
        assert stream.closed
