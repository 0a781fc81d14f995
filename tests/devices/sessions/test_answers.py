"""Valid answers of an agent; everything else is refused in one line before it is saved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from latkit.devices import Device, open_session
from latkit.devices.doctor import examine
from latkit.devices.sessions.agent_client import Link
from latkit.devices.sessions.answers import Conditions, Described, LoadedModel, Probed, Timed, checked
from latkit.devices.transports import Local, Stream
from latkit.devices.transports.base import Completed
from latkit.errors import AgentError, DeviceError, DeviceGone
from latkit.measurements import Store
from latkit.targets import Target
from latkit.testing.agents.lying import lying_python, set_lie
from latkit.timing import TimingPlan
from tests.builders import conv
from tests.devices.conftest import this_machine

TARGET = Target("board", "onnxruntime")
PLAN = TimingPlan(rounds=1, round_s=0.02, round_runs=3)
DIGITS = "1" + "0" * 400

ROUND = {
    "wall_ns": [1000, 1000],
    "cpu_ns": [1000, 0],
    "preemptions": [0, 1],
    "reference_wall_ns": [1000],
    "reference_cpu_ns": [0],
    "inference_ns": 5000,
    "turn": {"subject_runs": 2, "reference_runs": 1, "warm_up_runs": 1},
}
LOADED = {"handle": 1, "runtime_version": "runtime 1", "delegate": "cpu"}
FACTS = {
    "model": "Board [/rev2]",
    "architecture": "aarch64",
    "instruction_set": ["asimd"],
    "cores": [{"index": 0, "max_khz": 1_800_000}],
    "memory_bytes": 2**32,
    "os": "an OS",
    "kernel": "6.1",
}
NESTED: Any = []
for _ in range(40):
    NESTED = [NESTED]


class Recorded(Stream):
    """Gives a fixed answer to every request."""

    def __init__(self, *lines: bytes) -> None:
        self._lines = list(lines)
        self.closed = False

    def write_line(self, line: bytes) -> None:
        pass

    def read_line(self, timeout_s: float) -> bytes:
        return self._lines.pop(0)

    exit_status = None

    def stderr_tail(self) -> str:
        return ""

    def close_input(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def is_one_line(text: str) -> bool:
    return text.isprintable() and len(text) < 3000


class TestLines:
    @pytest.mark.parametrize(
        ("line", "found"),
        [
            (b'{"id": 1, "result": {"inference_ns": 1e400}}', "too large"),
            (b'{"id": 1, "result": {"memory_bytes": 1' + b"0" * 400 + b"}}", "64 bits"),
            (b'{"id": 1, "result": {"memory_bytes": 1' + b"0" * 5000 + b"}}", "64 bits"),
            (b'{"id": 1, "result": {"load1": NaN}}', "NaN"),
            (b'{"id": 1, "result": {"governor": "\\ud800"}}', "UTF-8"),
            (b'{"id": 1, "result": ' + b"[" * 150 + b"]" * 150 + b"}", "deep"),
            (b"[" * 100_000, "deep"),
            (b'{"id": 1, "result": []}', "request 1"),
            (b'{"id": 2, "result": {}}', "request 1"),
            (b'{"id": 1, "error": {"kind": 1, "message": "x"}}', "request 1"),
            (b"[]", "JSON object"),
            (b"\x00\xff\x1b[2J", "JSON object"),
        ],
    )
    def test_what_is_no_answer_ends_the_link(self, line: bytes, found: str) -> None:
        stream = Recorded(line)
        with pytest.raises(DeviceGone, match=found) as error:
            Link(stream, "board").ask("conditions", 1.0)
        assert is_one_line(str(error.value))
        assert stream.closed

    def test_an_agents_error_is_one_line(self) -> None:
        reported = {"id": 1, "error": {"kind": "bad-\x1bmodel", "message": "one\n\x1b[2Jtwo\u202e" + "x" * 10_000}}
        with pytest.raises(AgentError, match=r"bad-\\x1bmodel: one \\x1b\[2Jtwo\\u202ex") as error:
            Link(Recorded(json.dumps(reported).encode()), "board").ask("load", 1.0)
        assert is_one_line(str(error.value))

    @pytest.mark.parametrize("protocol", ["1", None, 10**30, [1]])
    def test_a_protocol_that_is_no_number_is_refused(self, protocol: object) -> None:
        stream = Recorded(json.dumps({"id": 1, "result": {"protocol": protocol}}).encode())
        with pytest.raises(DeviceError, match="board"):
            Link(stream, "board").hello()
        assert stream.closed


class TestRounds:
    def test_a_valid_round_is_accepted_unchanged(self) -> None:
        assert checked(Timed, {**ROUND, "new": NESTED}, "time", "board").wall_ns == [1000, 1000]
        assert checked(Timed, {**ROUND, "turn": None, "inference_ns": None}, "time", "board").block is None

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("wall_ns", [2**63, 1]),
            ("cpu_ns", [2**63, 1]),
            ("preemptions", [2**63, 1]),
            ("wall_ns", [0, 1]),
            ("reference_wall_ns", [-1]),
            ("cpu_ns", [-1, 1]),
            ("wall_ns", []),
            ("wall_ns", [True, True]),
            ("wall_ns", [1.5, 1]),
            ("wall_ns", ["1000", 1]),
            ("wall_ns", None),
            ("wall_ns", [1] * (2**20 + 1)),
            ("inference_ns", -1),
            ("inference_ns", 1.5),
            ("turn", []),
            ("turn", {"subject_runs": -1, "reference_runs": 1}),
            ("turn", {"subject_runs": 1, "reference_runs": 1, "new": "x" * 2000}),
        ],
    )
    def test_other_samples_are_refused_by_name(self, field: str, value: object) -> None:
        with pytest.raises(DeviceError, match=f"board: the agent's answer to 'time' cannot be used: {field}") as error:
            checked(Timed, {**ROUND, field: value}, "time", "board")
        assert is_one_line(str(error.value))

    @pytest.mark.parametrize("field", ["handle", "runtime_version", "delegate"])
    def test_a_loaded_model_has_a_handle_and_reports_its_runtime(self, field: str) -> None:
        assert checked(LoadedModel, LOADED, "load", "board").handle == 1
        for answer in ({name: value for name, value in LOADED.items() if name != field}, {**LOADED, field: None}):
            with pytest.raises(DeviceError, match=field):
                checked(LoadedModel, answer, "load", "board")


class TestConditions:
    def test_missing_facts_and_facts_of_later_agents_are_allowed(self) -> None:
        odd = {"temperatures_c": {"loose": -2147483.648, "hot": 95}, "frequencies_khz": [None, 1_800_000, 0]}
        found = checked(Conditions, {**odd, "fan_rpm": {"cpu": 900}}, "conditions", "board")
        assert found.load1 is None
        assert found.temperatures_c == {"loose": -2147483.648, "hot": 95}

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("load1", -1),
            ("load1", "0.5"),
            ("load1", float("inf")),
            ("free_disk_bytes", 2**63),
            ("free_memory_bytes", -1),
            ("affinity", [2**40]),
            ("affinity", "0-3"),
            ("unix_s", 1e300),
            ("frequencies_khz", [2**63]),
            ("temperatures_c", {"zone": 1e300}),
            ("temperatures_c", {"zone": "hot"}),
            ("trips_c", {"zone": 1e300}),
            ("governor", 1),
            ("governor", "x" * 1001),
            ("", {"new": "x" * 2**19}),
        ],
    )
    def test_other_conditions_are_refused(self, field: str, value: Any) -> None:
        with pytest.raises(DeviceError, match=f"'conditions' cannot be used: {field}") as error:
            checked(Conditions, {field: value} if field else value, "conditions", "board")
        assert is_one_line(str(error.value))


class TestProbe:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("memory_bytes", 2**63),
            ("memory_bytes", -1),
            ("cores", []),
            ("cores", [{"index": 2**40}]),
            ("cores", [{"index": 0, "max_khz": 10**18}]),
            ("model", None),
            ("model", "x" * 1001),
            ("instruction_set", "avx"),
        ],
    )
    def test_other_facts_are_refused(self, field: str, value: object) -> None:
        assert checked(Described, {"facts": FACTS}, "probe", "board").facts.model == "Board [/rev2]"
        with pytest.raises(DeviceError, match=rf"'probe' cannot be used: facts\.{field}"):
            checked(Described, {"facts": {**FACTS, field: value}}, "probe", "board")

    @pytest.mark.parametrize(("field", "value"), [("runtimes", []), ("runtimes", {"tflite": 1}), ("absent", None)])
    def test_runtimes_are_texts(self, field: str, value: object) -> None:
        with pytest.raises(DeviceError, match=field):
            checked(Probed, {"facts": FACTS, "runtimes": {}, "absent": {}, field: value}, "probe", "board")


@pytest.fixture
def liar(board: Device, tmp_path: Path) -> tuple[Device, Path]:
    """This machine, with an agent that sends scripted lies."""
    lies = tmp_path / "lies"
    return this_machine(board, tmp_path, Local()).model_copy(update={"python": lying_python(lies)}), lies


class TestDevices:
    """The same by a process of its own."""

    @pytest.mark.parametrize(
        ("request_", "path", "raw", "found"),
        [
            ("time", ["result", "wall_ns", 0], str(2**63), "wall_ns"),
            ("time", ["result", "cpu_ns"], "[1]", "one CPU time"),
            ("time", ["result", "inference_ns"], "1e400", "too large"),
            ("time", ["result", "turn"], '"\\ud800"', "UTF-8"),
            ("conditions", ["result", "temperatures_c"], f'{{"zone": {DIGITS}}}', "64 bits"),
            ("load", ["result", "handle"], "", "handle"),
            ("files", ["result", "sha256"], "[1]", "sha256"),
        ],
    )
    def test_an_implausible_answer_is_refused_and_not_stored(
        self, liar: tuple[Device, Path], make_model, tmp_path: Path, request_: str, path: Sequence, raw: str, found: str
    ) -> None:
        device, lies = liar
        set_lie(lies, request_, list(path), raw)
        workload, reference = make_model(16), make_model(8)

        def measure(store: Store) -> None:
            with open_session(device, TARGET) as session:
                environment = session.environment(workload, reference)
                store.add_round(conv(8), environment, PLAN, session.measure_round(workload, reference, PLAN))

        with Store(tmp_path / "m.sqlite", TARGET) as store:
            with pytest.raises(DeviceError, match=found) as error:
                measure(store)
            assert is_one_line(str(error.value))
            assert store.measurements() == []
            set_lie(lies, "", [], "")
            measure(store)
            assert len(store.measurements()) == 1

    def test_the_doctor_reports_an_implausible_answer_in_one_line(self, liar: tuple[Device, Path]) -> None:
        device, lies = liar
        set_lie(lies, "conditions", ["result", "free_disk_bytes"], DIGITS)
        failed = [check for check in examine(device) if check.ok is False]
        assert [check.name for check in failed] == ["agent"]
        assert "64 bits" in failed[0].found
        assert is_one_line(failed[0].found)


def test_a_boot_id_that_is_none_counts_as_unknown() -> None:
    from latkit.devices.sessions.session import boot_id

    class FakeTransport:
        def __init__(self, stdout: bytes) -> None:
            self.stdout = stdout

        def run(self, _argv: object, _timeout_s: float) -> Completed:
            return Completed(0, self.stdout, b"")

    assert boot_id(FakeTransport(b"86da71f0-a1fa-419d-8097-b92a788a7643\n")) == "86da71f0-a1fa-419d-8097-b92a788a7643"  # type: ignore[arg-type]
    for stdout in (b"\xff" * 50, b"x" * 10**6, b"Welcome!\nabc\n", b""):
        assert boot_id(FakeTransport(stdout)) == ""  # type: ignore[arg-type]
