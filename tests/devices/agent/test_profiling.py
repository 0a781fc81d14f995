"""The agents profile model files as the protocol says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from latkit.devices.transports import Local, connect
from tests.devices.agent.profiling import ProfilingConformance
from tests.devices.agent.test_agent import Talk
from tests.devices.agent.test_native import SANITIZERS, built, tflite_model
from tests.devices.agent_file import agent_file

__all__ = ["tflite_model"]


class TestPythonAgent(ProfilingConformance):
    @pytest.fixture
    def talk(self, tmp_path: Path) -> Iterator[Talk]:
        models = tmp_path / "models"
        with connect(Local()) as transport:
            yield Talk(transport.start([sys.executable, "-u", str(agent_file()), "--models", str(models)]), models)


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("agent"))


class TestNativeAgent(ProfilingConformance):
    @pytest.fixture
    def talk(self, agent: Path, tmp_path: Path) -> Iterator[Talk]:
        models = tmp_path / "models"
        with connect(Local()) as transport:
            yield Talk(transport.start([str(agent), "--models", str(models)]), models)


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("sanitized"), *SANITIZERS)


class TestNativeAgentWithSanitizers(ProfilingConformance):
    @pytest.fixture
    def talk(self, sanitized: Path, tmp_path: Path) -> Iterator[Talk]:
        models = tmp_path / "models"
        with connect(Local()) as transport:
            yield Talk(transport.start([str(sanitized), "--models", str(models)]), models)
