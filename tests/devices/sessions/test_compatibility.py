"""A changed device is reported, another machine in its place is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latkit.devices import Device, environment_changes, examine, open_session
from latkit.devices.sessions.compatibility import check_same_device, hardware_changes, open_unchanged, system_changes
from latkit.errors import MeasurementConflict
from latkit.targets import Target
from tests.builders import ENVIRONMENT

TARGET = Target("board", "onnxruntime")


def test_what_makes_another_machine(board: Device) -> None:
    found = board.facts.model_copy(update={"model": "B board"})
    assert hardware_changes(board, found) == "model was A board, is B board"
    with pytest.raises(MeasurementConflict, match="board is another device than its file says: model was A board"):
        check_same_device(board, found)


def test_what_makes_an_update(board: Device) -> None:
    assert system_changes(board, board.facts.model_copy(update={"boot_id": "another"})) == ""
    found = board.facts.model_copy(update={"kernel": "6.2"})
    check_same_device(board, found)
    assert system_changes(board, found) == "kernel was 6.1, is 6.2"


def test_environments_are_compared_with_each_other() -> None:
    assert environment_changes(ENVIRONMENT, ENVIRONMENT) == ""
    now = replace(ENVIRONMENT, runtime_version="runtime 2", governor="powersave")
    assert environment_changes(ENVIRONMENT, now) == (
        "runtime version was runtime 1, is runtime 2; governor was unknown, is powersave"
    )
    with pytest.raises(MeasurementConflict, match="governor '' and 'powersave'"):
        ENVIRONMENT.check_same(replace(ENVIRONMENT, governor="powersave"))


def registered(here: Device) -> Device:
    """This machine with the facts that it reports."""
    with open_session(here, TARGET) as session:
        return here.model_copy(update={"facts": session.facts()})


def test_sessions_open_on_the_machine_that_was_registered_only(here: Device) -> None:
    with pytest.raises(MeasurementConflict, match="another device"):
        open_unchanged(here, TARGET)
    device, messages = registered(here), []
    open_unchanged(device, TARGET, on_message=pytest.fail).close()
    older = device.model_copy(update={"facts": device.facts.model_copy(update={"kernel": "2.4"})})
    open_unchanged(older, TARGET, on_message=messages.append).close()
    (line,) = messages
    assert line.startswith("board has changed since it was registered: kernel was 2.4, is ")


def test_the_doctor_compares_measurements_with_the_device(here: Device, python_without_torch: str) -> None:
    device = registered(here.model_copy(update={"python": python_without_torch}))
    before = replace(ENVIRONMENT, device_key=device.key, runtime_version="onnxruntime 0.1", governor="an old one")
    checks = {check.name: check for check in examine(device, {TARGET: before})}
    found = checks[f"measured {TARGET}"]
    assert found.ok is None
    assert "runtime version was onnxruntime 0.1, is onnxruntime" in found.found
    assert "governor was an old one, is" in found.found
    assert f"latkit collect space {TARGET}" in found.remedy
