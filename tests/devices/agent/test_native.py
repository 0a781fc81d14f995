"""The native agent satisfies the protocol as the Python agent does, also with sanitizers and on another processor."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

from latkit.devices.agent import PROTOCOL
from latkit.devices.agent.latkit_agent.device import energy
from latkit.devices.provisioning.bundle import pins
from latkit.devices.provisioning.toolchain import LOADERS, Toolchain
from latkit.devices.sessions.answers import Described, checked
from latkit.devices.transports import Adb, Local, connect
from latkit.errors import BundleError, DeadlineExceeded
from latkit.runtimes.artifact import Artifact
from latkit.testing.phone.adbd import Daemon
from tests.conftest import OPTIMIZED
from tests.devices.agent.test_agent import AgentConformance, Talk
from tests.devices.agent_file import agent_file
from tests.waiting import PATIENCE_S

SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


ZONES, MONITOR, BATTERY = "class/powercap", "class/hwmon/hwmon0", "class/power_supply/battery"
SENSORS = {
    "powercap": {
        f"{ZONES}/intel-rapl:0/name": "package-0",
        f"{ZONES}/intel-rapl:0/energy_uj": 1000,
        f"{ZONES}/intel-rapl:0:0/name": "core",
        f"{ZONES}/intel-rapl:0:0/energy_uj": 600,
        f"{ZONES}/intel-rapl:1/name": "psys",
        f"{ZONES}/intel-rapl:1/energy_uj": 5000,
        f"{ZONES}/intel-rapl-mmio:0/name": "package-0",
        f"{ZONES}/intel-rapl-mmio:0/energy_uj": 1000,
    },
    "hwmon": {f"{MONITOR}/name": "board", f"{MONITOR}/energy1_input": 7, f"{MONITOR}/energy1_label": "cpu"},
    "battery by energy": {f"{BATTERY}/type": "Battery", f"{BATTERY}/status": "Discharging", f"{BATTERY}/energy_now": 9},
    "battery by charge": {
        f"{BATTERY}/type": "Battery",
        f"{BATTERY}/status": "Discharging",
        f"{BATTERY}/charge_counter": 2_000_000,
        f"{BATTERY}/voltage_now": 4_000_000,
    },
}
"""Files in which a kernel reports energy, by kind. Their figures are nobody's."""


def toolchain(architecture: str) -> Toolchain:
    try:
        found = Toolchain.find(architecture)
        found.libraries()
    except BundleError as error:
        pytest.skip(str(error))
    return found


def installed_runtimes(folder: Path) -> None:
    """Put the libraries of the installed wheels where a bundle has them."""
    for pin in pins().values():
        package, _, rest = pin.library.partition("/")
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            continue
        library = Path(spec.submodule_search_locations[0], rest)
        assert metadata.version(pin.package) == pin.version, "the pins of the bundle are to be those of constraints.txt"
        (folder / pin.place).parent.mkdir(exist_ok=True)
        (folder / pin.place).symlink_to(library)


def built(folder: Path, *flags: str) -> Path:
    """The agent for this machine, with the runtimes that are installed here."""
    program = folder / "latkit-agent"
    defines = {"LITERT_VERSION": pins()["tflite"].version}
    toolchain(platform.machine()).compile(program, defines, flags or OPTIMIZED)
    installed_runtimes(folder)
    return program


no_litert = pytest.mark.skipif(find_spec("ai_edge_litert") is None, reason="ai-edge-litert is not installed")


@pytest.fixture
def tflite_model(tmp_path: Path) -> Artifact:
    """A file that adds an array to itself."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    add = schema.OperatorCodeT()
    add.builtinCode = add.deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    operator, graph, model = schema.OperatorT(), schema.SubGraphT(), schema.ModelT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 0], [1]
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.AddOptions, schema.AddOptionsT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [], [0], [1], [operator]
    for name in ("input", "output"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, [2, 3], schema.TensorType.FLOAT32, 0
        graph.tensors.append(tensor)
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [add], [graph], [schema.BufferT()]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path = tmp_path / "add.tflite"
    path.write_bytes(builder.Output())
    return Artifact(path, hashlib.sha256(path.read_bytes()).hexdigest(), "tflite", "tests 1", 3)


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("native"))


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("sanitized"), *SANITIZERS)


def talking(program: Path, tmp_path: Path) -> Iterator[Talk]:
    models = tmp_path / "models"
    with connect(Local()) as transport:
        yield Talk(transport.start([str(program), "--models", str(models)]), models)


class TestNativeAgent:
    """As it is sent to devices; the requirements for any agent are tested by TestSanitizedAgent."""

    @pytest.fixture
    def talk(self, native: Path, tmp_path: Path) -> Iterator[Talk]:
        yield from talking(native, tmp_path)

    def test_stopped_it_has_no_heartbeat(self, talk: Talk, make_model) -> None:
        handle = talk.load(make_model())["handle"]
        talk.say("time", handle=handle, reference=handle, visit_s=600, visit_runs=10**9)
        assert "heartbeat" in json.loads(talk.stream.read_line(PATIENCE_S))
        os.kill(talk.stream._process.pid, signal.SIGSTOP)
        time.sleep(0.1)
        with pytest.raises(DeadlineExceeded):  # one heartbeat may have been on its way
            talk.hear(2.5)

    def test_it_reports_the_same_facts_as_the_python_agent(self, talk: Talk, tmp_path: Path) -> None:
        with connect(Local()) as transport:
            other = Talk(
                transport.start([sys.executable, "-u", str(agent_file()), "--models", str(tmp_path)]), tmp_path
            )
            theirs, ours = (
                checked(Described, one.ask("probe", runtimes_s=0), "probe", "here").facts for one in (other, talk)
            )
            theirs_now, ours_now = (one.ask("conditions") for one in (other, talk))
        assert ours.key == theirs.key
        assert (ours.os, ours.kernel, ours.hostname, ours.boot_id) == (
            theirs.os,
            theirs.kernel,
            theirs.hostname,
            theirs.boot_id,
        )
        assert set(ours_now) == set(theirs_now)
        assert ours_now["monotonic_s"] == pytest.approx(theirs_now["monotonic_s"], abs=PATIENCE_S)

    def test_sensors(self, native: Path, tmp_path: Path) -> None:
        files = {
            "devices/system/cpu/present": "0-1",
            "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1800000",
            "devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil",
            "devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "600000",
            "devices/system/cpu/cpu1/cpu_capacity": "446",
            "class/thermal/thermal_zone0/type": 'a "zone"',
            "class/thermal/thermal_zone0/temp": "41500",
            "class/thermal/thermal_zone0/trip_point_0_type": "passive",
            "class/thermal/thermal_zone0/trip_point_0_temp": "85000",
            "class/thermal/thermal_zone1/temp": "no number",
        }
        for name, text in files.items():
            (tmp_path / "sys" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "sys" / name).write_text(text + "\n")
        models = tmp_path / "models"
        arguments = ["env", f"LATKIT_SYSFS={tmp_path}/sys", str(native), "--models", str(models)]
        with connect(Local()) as transport:
            talk = Talk(transport.start(arguments), models)
            now, facts = talk.ask("conditions"), talk.ask("probe", runtimes_s=0)["facts"]
        assert now["frequencies_khz"] == [1_800_000, 600_000]
        assert now["governor"] == facts["governor"] == "schedutil"
        assert now["temperatures_c"] == {'thermal_zone0 a "zone"': 41.5}
        assert now["trips_c"] == {'thermal_zone0 a "zone"': 85.0}
        assert facts["cores"] == [{"index": 0}, {"index": 1, "capacity": 446}]

    @pytest.mark.parametrize("kind", SENSORS)
    def test_energy_is_read_as_by_the_python_agent(
        self, kind: str, native: Path, tmp_path: Path, make_model, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, text in SENSORS[kind].items():
            (tmp_path / "sys" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "sys" / name).write_text(f"{text}\n")
        monkeypatch.setattr(energy, "SYSFS", str(tmp_path / "sys"))
        expected, models = energy.energy_uj(), tmp_path / "models"
        arguments = ["env", f"LATKIT_SYSFS={tmp_path}/sys", str(native), "--models", str(models)]
        with connect(Local()) as transport:
            talk = Talk(transport.start(arguments), models)
            loaded = talk.load(make_model())
            paced = talk.ask("pace", handle=loaded["handle"], interval_s=0.0, runs=3)
        assert expected
        assert (loaded["energy_sensors"], paced["energy_uj"]) == (list(expected), dict.fromkeys(expected, 0))
        assert paced["energy_steps"] == {name: [0, 0] for name in expected}

    def test_energy_is_followed_over_the_end_of_a_counter(self, native: Path, tmp_path: Path, make_model) -> None:
        zone, models = tmp_path / "sys" / ZONES / "intel-rapl:0", tmp_path / "models"
        zone.mkdir(parents=True)
        (zone / "max_energy_range_uj").write_text("1000\n")
        (zone / "energy_uj").write_text("900\n")
        arguments = ["env", f"LATKIT_SYSFS={tmp_path}/sys", str(native), "--models", str(models)]
        with connect(Local()) as transport:
            talk = Talk(transport.start(arguments), models)
            handle = talk.load(make_model())["handle"]
            for interval_s in (
                0.3,
                3,
                30,
            ):  # on a busy machine the counter may be set before the first run, or after the last
                (zone / "energy_uj").write_text("900\n")
                talk.say("pace", handle=handle, interval_s=interval_s, runs=2)
                time.sleep(interval_s / 2)
                (zone / "energy_uj").write_text("30\n")
                paced = talk.hear()["result"]
                if any(paced["energy_uj"].values()):
                    break
        assert (paced["energy_uj"], paced["energy_steps"]) == ({"intel-rapl:0": 130}, {"intel-rapl:0": [1, 130]})

    def test_a_line_without_end_is_bounded(self, talk: Talk) -> None:
        talk.stream.write_line(b"[" + b" " * 3_000_000)
        assert talk.hear()["error"]["kind"] == "garbage"
        assert talk.ask("files") == {"sha256": []}

    def test_a_link_to_a_file_elsewhere_is_no_model(self, talk: Talk, make_model) -> None:
        artifact = make_model()
        talk.models.mkdir(exist_ok=True)
        (talk.models / artifact.sha256).symlink_to(artifact.path)
        arguments = {"runtime": "onnxruntime", "threads": 1, "sha256": artifact.sha256}
        assert talk.kind("load", **arguments) == "missing-file"
        assert talk.kind("load", **{**arguments, "runtime": "torch"}) == "runtime-missing"

    @pytest.mark.parametrize("arguments", [[], ["--models"], ["--models", "a", "--what", "b"]])
    def test_wrong_options_are_reported(self, native: Path, arguments: list[str]) -> None:
        done = subprocess.run([str(native), *arguments], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert "usage:" in done.stderr

    def test_without_a_library_its_runtime_is_absent(self, native: Path, tmp_path: Path) -> None:
        (tmp_path / "lib").mkdir()
        (tmp_path / "lib" / "libLiteRt.so").write_text("no library")
        with connect(Local()) as transport:
            command = [str(native), "--models", str(tmp_path / "models"), "--libraries", str(tmp_path / "lib")]
            answer = Talk(transport.start(command), tmp_path / "models").ask("probe")
        assert answer["runtimes"] == {}
        assert "No such file" in answer["absent"]["onnxruntime"]
        assert "libLiteRt.so" in answer["absent"]["tflite"]


class TestNativeAgentOverAdb(AgentConformance):
    """Through the real adbd, on this machine's processor."""

    @pytest.fixture
    def talk(self, native: Path, adbd_here: Daemon, tmp_path: Path) -> Iterator[Talk]:
        models = tmp_path / "models"
        with connect(Adb.parse(adbd_here.address)) as transport:
            yield Talk(transport.start([str(native), "--models", str(models)]), models)


class TestSanitizedAgent(AgentConformance):
    """Any misstep of memory or arithmetic ends this one."""

    @pytest.fixture
    def talk(self, sanitized: Path, tmp_path: Path) -> Iterator[Talk]:
        yield from talking(sanitized, tmp_path)

    @no_litert
    @pytest.mark.parametrize("threads", [1, 2])
    def test_tflite(self, talk: Talk, tflite_model: Artifact, threads: int) -> None:
        loaded = talk.load(tflite_model, runtime="tflite", threads=threads)
        assert loaded["runtime_version"] == f"ai-edge-litert {pins()['tflite'].version}"
        assert loaded["delegate"] == "xnnpack"
        assert [(item["shape"], item["dtype"]) for item in loaded["inputs"]] == [([2, 3], "float32")]
        handles = {"handle": loaded["handle"], "reference": loaded["handle"]}
        assert len(talk.ask("time", **handles, visit_s=5, visit_runs=12)["wall_ns"]) == 12
        assert talk.ask("unload", handle=loaded["handle"]) == {}

    @no_litert
    def test_files_that_litert_rejects(self, talk: Talk, tflite_model: Artifact) -> None:
        content = tflite_model.path.read_bytes()
        for unexpected in (b"no model at all", b"", content[: len(content) // 2]):
            tflite_model.path.write_bytes(unexpected)
            damaged = replace(tflite_model, sha256=hashlib.sha256(unexpected).hexdigest())
            assert talk.load(damaged, runtime="tflite")["error"]["kind"] == "bad-model"
        assert talk.ask("files")["sha256"]


class TestAnotherProcessor:
    """Emulated: its behavior counts, not its speed."""

    def test_it_converses(self, tmp_path: Path) -> None:
        emulator = shutil.which("qemu-aarch64-static")
        if emulator is None:
            pytest.skip("qemu-aarch64-static is not installed")
        tools, program = toolchain("aarch64"), tmp_path / "latkit-agent"
        tools.compile(program, {"LITERT_VERSION": "1"}, ["-O1"])
        (tmp_path / "lib").mkdir()
        for name, path in tools.libraries().items():
            shutil.copy(path, tmp_path / "lib" / name)
        loader = [emulator, str(tmp_path / "lib" / LOADERS["aarch64"]), "--library-path", str(tmp_path / "lib")]
        with connect(Local()) as transport:
            command = [*loader, str(program), "--models", str(tmp_path / "models")]
            talk = Talk(transport.start(command), tmp_path / "models")
            assert talk.ask("hello", protocol=PROTOCOL)["protocol"] == PROTOCOL
            assert talk.ask("probe", runtimes_s=0)["facts"]["architecture"] == "aarch64"
            assert talk.ask("conditions")["free_memory_bytes"] > 0
            (tmp_path / "models" / hashlib.sha256(b"x").hexdigest()).write_bytes(b"x")
            arguments = {"sha256": hashlib.sha256(b"x").hexdigest(), "threads": 1}
            assert talk.kind("load", runtime="tflite", **arguments) == "runtime-missing"
            assert talk.ask("quit") == {}
