"""Pinning: cores are read, refused if the device lacks them, set in the agent, and recorded."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import pytest

from latkit.devices import Core, Device, SessionOptions, open_session
from latkit.devices.cpu_topology import check_cores, check_inherited, cores_of, parse_cores, ranges
from latkit.errors import AgentError, UsageError
from latkit.targets import Target

TARGET = Target("board", "onnxruntime")
needs_two_cores = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core only")


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("0", (0,)),
        ("0-3", (0, 1, 2, 3)),
        ("0,2", (0, 2)),
        ("5,0-1,1", (0, 1, 5)),
        ("0xF0", (4, 5, 6, 7)),
        ("unpinned", ()),
    ],
)
def test_cores_are_read(text: str, cores: tuple[int, ...]) -> None:
    assert parse_cores(text) == cores
    assert parse_cores(ranges(cores) or "unpinned") == cores


@pytest.mark.parametrize("text", ["", "a", "0-", "-1", "3-0", "0,,1", "0-99999", "0 1", "٣", "0x", "0x0"])
def test_cores_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="expected cores"):
        parse_cores(text)


def with_cores(device: Device, *cores: Core) -> Device:
    return device.model_copy(update={"facts": device.facts.model_copy(update={"cores": list(cores)})})


@pytest.mark.parametrize("name", ["capacity", "max_khz"])
def test_clusters_by_name(board: Device, name: str) -> None:
    speeds = [300, 300, 700, 1024]
    phone = with_cores(board, *(Core(index=index, **{name: speed}) for index, speed in enumerate(speeds)))
    assert cores_of(phone, "big") == (3,)
    assert cores_of(phone, "little") == (0, 1)
    assert cores_of(phone, "0x6") == (1, 2)


def test_clusters_where_all_cores_are_alike(board: Device) -> None:
    alike = with_cores(board, Core(index=0), Core(index=1))
    with pytest.raises(UsageError, match="cores of one kind only"):
        cores_of(alike, "big")


def test_cores_that_the_device_lacks(board: Device) -> None:
    check_cores(board, TARGET, (0, 1))
    with pytest.raises(UsageError, match="has the cores 0-1, and cannot be pinned to 2-3"):
        check_cores(board, TARGET, (1, 2, 3))
    with pytest.raises(UsageError, match="asks for 2 threads, but is to be pinned to core 0"):
        check_cores(board, dataclasses.replace(TARGET, threads=2), (0,))


def test_cores_that_the_agent_inherits(board: Device) -> None:
    check_inherited(board, dataclasses.replace(TARGET, threads=2), (0, 1))
    with pytest.raises(UsageError, match=r"2 threads, but on board the agent may only use core 1 \(by taskset"):
        check_inherited(board, dataclasses.replace(TARGET, threads=2), (1,))


@needs_two_cores
def test_a_session_of_more_threads_than_the_agent_has_cores_is_refused(here: Device, tmp_path: Path) -> None:
    pinned = tmp_path / "pinned"
    pinned.write_text(f'#!/bin/sh\nexec taskset -c 1 {sys.executable} "$@"\n')
    pinned.chmod(0o755)
    device = here.model_copy(update={"python": str(pinned)})
    with open_session(device, TARGET) as session:
        assert session.conditions()["affinity"] == [1]
    with pytest.raises(UsageError, match="asks for 2 threads, but on board the agent may only use core 1"):
        open_session(device, dataclasses.replace(TARGET, threads=2))


@needs_two_cores
def test_a_pinned_session_reports_it_and_does_not_pin_this_process(here: Device, make_model) -> None:
    before, model = os.sched_getaffinity(0), make_model()
    with open_session(here, TARGET, SessionOptions(cores=(1,)), on_message=pytest.fail) as session:
        assert session.environment(model, model).affinity == "1"
        assert session.conditions()["affinity"] == [1]
    with open_session(here, TARGET) as session:
        assert session.environment(model, model).affinity == "unpinned"
    assert os.sched_getaffinity(0) == before


@needs_two_cores
@pytest.mark.parametrize("kind", ["unknown-request", "granted less"])
def test_a_device_that_does_not_allow_it(here: Device, make_model, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    from latkit.devices.sessions.agent_client import Link

    ask = Link.ask

    def refusing(self: Link, request: str, timeout_s: float, **fields: object) -> dict[str, object]:
        if request != "pin":
            return ask(self, request, timeout_s, **fields)
        if kind == "unknown-request":
            raise AgentError(kind, "no such request")
        return {"affinity": [0, 1]}

    monkeypatch.setattr(Link, "ask", refusing)
    messages: list[str] = []
    model = make_model()
    with open_session(here, TARGET, SessionOptions(cores=(1,)), on_message=messages.append) as session:
        assert session.environment(model, model).affinity == "unpinned"
    assert messages == ["board does not allow pinning to cores 1: what it measures stays unpinned"]
