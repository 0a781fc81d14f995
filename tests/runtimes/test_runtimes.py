"""What follows from a runtime's object: targets, the agents' tables, wheels."""

import pytest

from latkit.devices.agent.latkit_agent.loaders import IMPORTS, LOADERS
from latkit.devices.provisioning.bundle import pins
from latkit.devices.provisioning.wheels import default_runtimes
from latkit.devices.provisioning.wheels import pins as pinned_wheels
from latkit.errors import UsageError
from latkit.runtimes import RUNTIMES, list_runtimes
from latkit.runtimes.onnxruntime import OnnxRuntime
from latkit.targets import Target
from latkit.timing.rounds import uses_cpu_time


class Accelerated(OnnxRuntime):
    name = "accelerated"
    precisions = ("fp16", "int8")
    uses_cpu_time = False


@pytest.fixture
def accelerated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUNTIMES._loaded, "accelerated", Accelerated())


def test_a_target_has_the_precisions_of_its_runtime(accelerated: None) -> None:
    assert Target.parse("pi/accelerated-t2") == Target("pi", "accelerated", 2, "fp16")
    assert Target.parse("pi/accelerated-int8").precision == "int8"
    with pytest.raises(UsageError, match="unknown precision 'fp32'; known precisions of accelerated: fp16, int8"):
        Target("pi", "accelerated")
    with pytest.raises(UsageError, match=r"but found 'fp32' \(precisions: fp16, int8\)"):
        Target.parse("pi/accelerated-fp32")
    with pytest.raises(UsageError, match=r"but found 'int8' \(precisions: fp32\)"):
        Target.parse("pi/torch-int8")
    target = Target("pi", "tflite", 2, "int8-dynamic")
    assert Target.parse(str(target)) == Target.parse("pi/tflite-int8-dynamic-t2") == target


def test_the_runtime_decides_whether_cpu_time_counts(accelerated: None) -> None:
    assert uses_cpu_time(Target("pi", "onnxruntime"))
    assert not uses_cpu_time(Target("pi", "onnxruntime", threads=2))
    assert not uses_cpu_time(Target("pi", "accelerated", precision="fp16"))


def test_the_agents_load_every_runtime() -> None:
    loaders = {runtime.loader for runtime in list_runtimes() if runtime.agent_file is None}
    assert loaders == set(LOADERS) == {name for names in IMPORTS for name in names}
    assert set(pins()) <= loaders


def test_wheels_are_pinned_for_every_runtime_that_names_some() -> None:
    pinned = {name for sets in pinned_wheels().sets.values() for name in sets}
    assert {runtime.wheels.pinned_as for runtime in list_runtimes() if runtime.wheels} == pinned
    assert set(default_runtimes()) <= set(LOADERS)
