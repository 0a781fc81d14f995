"""Any agent satisfies the protocol of docs/agent-protocol.md, however it is started."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import marshal
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

import pytest

from latkit.devices.agent import PROTOCOL, agent_archive
from latkit.devices.agent.archive import HASH_BASED, SOURCES
from latkit.devices.sessions.agent_launcher import PYTHON_AGENT
from latkit.devices.transports import Local, Ssh, Stream, connect
from latkit.errors import DeadlineExceeded, DeviceGone
from tests.devices.agent_file import agent_file
from tests.waiting import PATIENCE_S, ending_soon

LONG = {"visit_s": 2.6, "visit_runs": 10**9}


class Talk:
    """A conversation at the level of lines."""

    def __init__(self, stream: Stream, models: Path) -> None:
        self.stream = stream
        self.models = models
        self.heartbeats = 0
        self.requested = 0

    def say(self, request: str, **fields: object) -> int:
        self.requested += 1
        self.stream.write_line(json.dumps({"id": self.requested, "request": request, **fields}).encode())
        return self.requested

    def hear(self, timeout_s: float = PATIENCE_S) -> dict:
        while True:
            message = json.loads(self.stream.read_line(timeout_s))
            if "heartbeat" not in message:
                return message
            self.heartbeats += 1

    def ask(self, request: str, **fields: object) -> dict:
        number = self.say(request, **fields)
        message = self.hear()
        assert message["id"] == number
        return message.get("result", message)

    def kind(self, request: str, **fields: object) -> str:
        """Kind of the error in the answer."""
        error = self.ask(request, **fields)["error"]
        assert set(error) == {"kind", "message"}
        assert error["message"]
        return error["kind"]

    def put(self, artifact) -> str:
        self.models.mkdir(exist_ok=True)
        shutil.copy(artifact.path, self.models / artifact.sha256)
        return artifact.sha256

    def load(self, artifact, **fields: object) -> dict:
        arguments = {"runtime": "onnxruntime", "threads": 1, "precision": "fp32", "batch": 1, **fields}
        return self.ask("load", sha256=self.put(artifact), **arguments)


class AgentConformance:
    """Requirements for any agent. Each kind supplies the fixture `talk`: an agent started, no message sent yet."""

    def test_hello(self, talk: Talk) -> None:
        answer = talk.ask("hello", protocol=PROTOCOL)
        assert answer["protocol"] == PROTOCOL
        assert answer["agent"]

    @pytest.mark.parametrize("protocol", [PROTOCOL + 1, 0, "1", None])
    def test_another_protocol_is_refused(self, talk: Talk, protocol: object) -> None:
        assert talk.kind("hello", protocol=protocol) == "protocol"

    def test_probe(self, talk: Talk) -> None:
        answer = talk.ask("probe")
        facts = answer["facts"]
        assert facts["memory_bytes"] > 2**20
        assert len(facts["cores"]) >= 1
        assert all(facts[name] for name in ("model", "architecture", "os", "kernel"))
        assert answer["runtimes"]["onnxruntime"].startswith("onnxruntime ")
        assert not set(answer["runtimes"]) & set(answer["absent"])

    def test_conditions(self, talk: Talk) -> None:
        answer = talk.ask("conditions")
        assert {"load1", "free_memory_bytes", "free_disk_bytes", "affinity", "monotonic_s", "unix_s"} <= set(answer)

    def test_pinned_and_put_back(self, talk: Talk) -> None:
        free = talk.ask("conditions")["affinity"]
        assert talk.ask("pin", cores=free[-1:]) == {"affinity": free[-1:]}
        assert talk.ask("conditions")["affinity"] == free[-1:]
        assert talk.ask("pin", cores=[]) == {"affinity": free}

    def test_cores_that_cannot_be_had_pin_nothing(self, talk: Talk) -> None:
        free = talk.ask("conditions")["affinity"]
        assert talk.ask("pin", cores=[free[0], 4095]) == {"affinity": free}
        assert talk.ask("pin", cores=[10**30]) == {"affinity": free}

    @pytest.mark.parametrize("cores", ["0", [0.5], [True], [-1], None])
    def test_cores_that_are_none(self, talk: Talk, cores: object) -> None:
        assert talk.kind("pin", cores=cores) == "bad-request"

    def test_files(self, talk: Talk, make_model) -> None:
        assert talk.ask("files") == {"sha256": []}
        sha256 = talk.put(make_model())
        assert talk.ask("files") == {"sha256": [sha256]}

    @pytest.mark.parametrize("line", [b"garbage", b"", b"[1]", b"\xff\xfe", b"1e999999", b"[" * 50_000, b'{"id": 1'])
    def test_a_line_that_is_no_request(self, talk: Talk, line: bytes) -> None:
        talk.stream.write_line(line)
        message = talk.hear()
        assert message["id"] is None
        assert message["error"]["kind"] == "garbage"
        assert talk.ask("hello", protocol=PROTOCOL)["protocol"] == PROTOCOL

    def test_an_unknown_request(self, talk: Talk) -> None:
        assert talk.kind("dance") == "unknown-request"
        assert talk.kind(None) == "unknown-request"  # type: ignore[arg-type]

    def test_a_round_is_timed(self, talk: Talk, make_model) -> None:
        workload, reference = talk.load(make_model(64, 8)), talk.load(make_model(8))
        assert workload["delegate"] == "CPUExecutionProvider"
        assert workload["runtime_version"].startswith("onnxruntime ")
        assert [(item["shape"], item["dtype"]) for item in workload["inputs"]] == [([1, 64], "float32")]
        handles = {"handle": workload["handle"], "reference": reference["handle"]}
        answer = talk.ask("time", **handles, visit_s=PATIENCE_S, visit_runs=25)
        assert len(answer["wall_ns"]) == len(answer["cpu_ns"]) == len(answer["preemptions"]) == 25
        assert len(answer["reference_wall_ns"]) == len(answer["reference_cpu_ns"]) >= 3
        assert all(type(n) is int and n > 0 for n in answer["wall_ns"] + answer["reference_wall_ns"])
        assert all(type(n) is int and n >= 0 for n in answer["cpu_ns"] + answer["preemptions"])
        assert answer["turn"]["subject_runs"] == 10
        assert answer["inference_ns"] > sum(answer["wall_ns"]) + sum(answer["reference_wall_ns"])
        brief = talk.ask("time", **handles, visit_s=0.001, visit_runs=10**6)
        assert 1 <= len(brief["wall_ns"]) < 10_000

    def test_a_free_batch_is_filled_in(self, talk: Talk, make_model) -> None:
        assert talk.load(make_model(batch="n"), batch=3)["inputs"][0]["shape"] == [3, 16]

    def test_unload(self, talk: Talk, make_model) -> None:
        handle = talk.load(make_model())["handle"]
        assert talk.ask("unload", handle=handle) == {}
        assert talk.kind("unload", handle=handle) == "no-such-handle"
        assert talk.kind("time", handle=handle, reference=handle, visit_s=1, visit_runs=1) == "no-such-handle"
        assert talk.load(make_model())["handle"] != handle

    def test_models_that_cannot_be_loaded(self, talk: Talk, make_model) -> None:
        arguments = {"runtime": "onnxruntime", "threads": 1}
        assert talk.kind("load", sha256="0" * 64, **arguments) == "missing-file"
        assert talk.kind("load", sha256="../../etc/passwd", **arguments) == "bad-request"
        artifact = make_model()
        content = artifact.path.read_bytes()
        (talk.models / artifact.sha256).write_bytes(content[:-1])
        assert talk.kind("load", sha256=artifact.sha256, **arguments) == "hash-mismatch"
        assert talk.ask("files") == {"sha256": []}
        for unexpected in (b"no model at all", b"", content[: len(content) // 2]):
            sha256 = hashlib.sha256(unexpected).hexdigest()
            (talk.models / sha256).write_bytes(unexpected)
            assert talk.kind("load", sha256=sha256, **arguments) == "bad-model"
        assert talk.load(artifact)["handle"]

    @pytest.mark.parametrize(
        "wrong", [{"threads": 0}, {"threads": "1"}, {"threads": True}, {"runtime": "abacus"}, {"runtime": None}]
    )
    def test_wrong_fields_of_load(self, talk: Talk, make_model, wrong: dict) -> None:
        assert talk.load(make_model(), **wrong)["error"]["kind"] == "bad-request"

    @pytest.mark.parametrize("wrong", [{"visit_s": -1}, {"visit_s": "1"}, {"visit_runs": 0}, {"visit_runs": 1.5}])
    def test_wrong_fields_of_time(self, talk: Talk, make_model, wrong: dict) -> None:
        handle = talk.load(make_model())["handle"]
        arguments = {"visit_s": 1, "visit_runs": 1, **wrong}
        assert talk.kind("time", handle=handle, reference=handle, **arguments) == "bad-request"

    def test_a_heartbeat_while_at_work_and_none_after(self, talk: Talk, make_model) -> None:
        handle = talk.load(make_model())["handle"]
        talk.heartbeats, begin = 0, time.monotonic()
        talk.ask("time", handle=handle, reference=handle, **LONG)
        assert 1 <= talk.heartbeats <= time.monotonic() - begin + 1
        before = talk.heartbeats
        time.sleep(2.3)
        talk.ask("files")
        assert talk.heartbeats <= before + 1  # one may have been on its way

    def test_requests_are_answered_in_order(self, talk: Talk) -> None:
        numbers = [talk.say("conditions"), talk.say("files"), talk.say("dance")]
        assert [talk.hear()["id"] for _ in numbers] == numbers

    def test_quit(self, talk: Talk) -> None:
        assert talk.ask("quit") == {}
        with pytest.raises(DeviceGone):
            talk.stream.read_line(PATIENCE_S)

    @pytest.mark.parametrize("busy", [False, True])
    def test_the_end_of_stdin_is_its_end(self, talk: Talk, make_model, busy: bool) -> None:
        handle = talk.load(make_model())["handle"]
        if busy:
            talk.say("time", handle=handle, reference=handle, visit_s=600, visit_runs=10**9)
        talk.stream.close_input()
        with ending_soon(), pytest.raises(DeviceGone):
            talk.hear()


class TestPythonAgent(AgentConformance):
    @pytest.fixture
    def talk(self, tmp_path: Path) -> Iterator[Talk]:
        models = tmp_path / "models"
        with connect(Local()) as transport:
            yield Talk(transport.start([sys.executable, "-u", str(agent_file()), "--models", str(models)]), models)

    def test_prints_of_a_runtime_do_not_disturb(self, tmp_path: Path) -> None:
        code = (
            "import os, sys\n"
            "sys.path.insert(0, sys.argv.pop(1))\n"
            "from latkit_agent import agent, main\n"
            "plain = agent.Agent.files\n"
            "def noisy(self, request):\n"
            "    print('a stray word', flush=True); os.write(1, b'and one of C'); os.system('echo and a child')\n"
            "    return plain(self, request)\n"
            "agent.Agent.files = noisy\n"
            "main.main()\n"
        )
        with connect(Local()) as transport:
            command = [sys.executable, "-u", "-c", code, str(agent_file()), "--models", str(tmp_path / "models")]
            talk = Talk(transport.start(command), tmp_path / "models")
            assert talk.ask("files") == {"sha256": []}
            assert talk.ask("files") == {"sha256": []}
            assert "a stray word" in talk.stream.stderr_tail()

    def test_stopped_it_has_no_heartbeat(self, talk: Talk, make_model) -> None:
        handle = talk.load(make_model())["handle"]
        talk.say("time", handle=handle, reference=handle, visit_s=600, visit_runs=10**9)
        assert "heartbeat" in json.loads(talk.stream.read_line(PATIENCE_S))
        pid = talk.stream._process.pid
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.1)
        with pytest.raises(DeadlineExceeded):  # one heartbeat may have been on its way
            talk.hear(2.5)

    def test_the_agent_imports_only_the_standard_library_runtimes_and_itself(self) -> None:
        names: set[str] = set()
        for path in SOURCES.rglob("*.py"):
            tree = ast.parse(path.read_text(), feature_version=(3, 8))
            imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
            names |= {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
            names |= {str(node.module) for node in imports if isinstance(node, ast.ImportFrom) and not node.level}
        unexpected = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)
        assert unexpected == {"numpy", "onnxruntime", "torch", "ai_edge_litert", "tflite_runtime"}

    def test_another_version_of_python_runs_the_sources(self, tmp_path: Path) -> None:
        """Compiled modules that are not for the device's version are ignored; those that are for it are used."""
        for magic, value in ((b"old!", b"2"), (MAGIC_NUMBER, b"3")):
            archive = tmp_path / "agent.pyz"
            source, compiled = b"print(2)", marshal.dumps(compile("print(3)", "", "exec"))
            with zipfile.ZipFile(archive, "w") as made:
                made.writestr("__main__.py", "import latkit_agent")
                made.writestr("latkit_agent.py", source)
                made.writestr("latkit_agent.pyc", magic + HASH_BASED + source_hash(source) + compiled)
            run = subprocess.run([sys.executable, "-c", PYTHON_AGENT, str(archive)], capture_output=True)
            assert run.stdout.strip() == value, run.stderr

    def test_the_archive_is_the_same_bytes_every_time_and_holds_every_module(self) -> None:
        content = agent_archive()
        agent_archive.cache_clear()
        assert agent_archive() == content
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            sources = {path.relative_to(SOURCES.parent).as_posix() for path in SOURCES.rglob("*.py")}
            assert set(archive.namelist()) == {"__main__.py", *sources, *(f"{name}c" for name in sources)}
            assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


class TestPythonAgentOverSsh(AgentConformance):
    @pytest.fixture
    def talk(self, sshd, tmp_path: Path) -> Iterator[Talk]:
        models = tmp_path / "models"
        with connect(Ssh(host="board", config=str(sshd.config))) as transport:
            yield Talk(transport.start([sys.executable, "-u", str(agent_file()), "--models", str(models)]), models)


class TestBarePython:
    """A device with no runtime, not even numpy, still reports its facts."""

    @pytest.mark.parametrize("version", ["3.8", "3.9", "3.12", "3.13"])
    def test_old_and_new_interpreters(self, version: str, tmp_path: Path) -> None:
        python = shutil.which(f"python{version}")
        if not python or subprocess.run([python, "-c", ""], capture_output=True).returncode:
            pytest.skip(f"python{version} is not installed")
        self.converse([python, "-I", "-S"], tmp_path)

    def test_without_site_packages(self, tmp_path: Path) -> None:
        self.converse([sys.executable, "-I", "-S"], tmp_path)

    def converse(self, python: list[str], tmp_path: Path) -> None:
        models = tmp_path / "models"
        with connect(Local()) as transport:
            talk = Talk(transport.start([*python, "-u", str(agent_file()), "--models", str(models)]), models)
            assert talk.ask("hello", protocol=PROTOCOL)["protocol"] == PROTOCOL
            assert talk.ask("probe")["facts"]["cores"]
            assert talk.ask("conditions")["free_memory_bytes"] > 0
            (models / hashlib.sha256(b"x").hexdigest()).write_bytes(b"x")
            arguments = {"sha256": hashlib.sha256(b"x").hexdigest(), "runtime": "onnxruntime", "threads": 1}
            assert talk.kind("load", **arguments) == "runtime-missing"
            assert talk.ask("quit") == {}


def test_a_probe_leaves_no_telemetry_of_onnxruntime(tmp_path: Path, python_without_torch: str) -> None:
    command = [python_without_torch, str(agent_file()), "--models", str(tmp_path / "models")]
    request = '{"id": 1, "request": "probe", "runtimes_s": 60}\n'
    variables = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    home = tmp_path / "home"
    home.mkdir()
    environment = {**variables, "HOME": str(home), "XDG_CACHE_HOME": str(home)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(request)
        process.stdin.flush()
        answer = next(line for line in process.stdout if "heartbeat" not in line)
        process.stdin.close()
    assert json.loads(answer)["result"]["runtimes"]["onnxruntime"]
    assert not list(home.rglob("*onnxruntime*"))
