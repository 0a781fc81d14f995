"""The native agent keeps the protocol as the Python agent does, with the sanitizers too, and on another processor."""

from __future__ import annotations

import json
import os
import platform
import signal
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from latkit.devices.bundle import pins
from latkit.devices.toolchain import Toolchain
from latkit.devices.transports import Local, connect
from latkit.errors import BundleError, DeadlineExceeded
from tests.devices.test_agent import AgentConformance, Talk

SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


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
        assert library.is_file(), f"the pinned version {pin.version} of {pin.package} is not the installed one"
        (folder / pin.place).parent.mkdir(exist_ok=True)
        (folder / pin.place).symlink_to(library)


def built(folder: Path, *flags: str) -> Path:
    """The agent for this machine, with the runtimes that are installed here."""
    program = folder / "latkit-agent"
    defines = {"LITERT_VERSION": pins()["tflite"].version}
    toolchain(platform.machine()).compile(program, defines, flags or ("-O2", "-s"))
    installed_runtimes(folder)
    return program


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


class TestNativeAgent(AgentConformance):
    @pytest.fixture
    def talk(self, native: Path, tmp_path: Path) -> Iterator[Talk]:
        yield from talking(native, tmp_path)

    def test_stopped_it_has_no_heartbeat(self, talk: Talk, make_model) -> None:
        handle = talk.load(make_model())["handle"]
        talk.say("time", handle=handle, reference=handle, visit_s=60, visit_runs=10**9)
        assert "heartbeat" in json.loads(talk.stream.read_line(10))
        os.kill(talk.stream._process.pid, signal.SIGSTOP)
        time.sleep(0.1)
        with pytest.raises(DeadlineExceeded):  # one heartbeat may have been on its way
            talk.hear(2.5)


class TestSanitizedAgent(AgentConformance):
    """Any misstep of memory or arithmetic ends this one."""

    @pytest.fixture
    def talk(self, sanitized: Path, tmp_path: Path) -> Iterator[Talk]:
        yield from talking(sanitized, tmp_path)
