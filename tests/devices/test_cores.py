"""Pinning: cores are read, refused where the device lacks them, set in the agent, and recorded."""

from __future__ import annotations

import dataclasses
import os

import pytest

from latkit.devices import Device, open_session
from latkit.devices.cores import check_cores, parse_cores, ranges
from latkit.errors import AgentError, UsageError
from latkit.targets import Target

TARGET = Target("board", "onnxruntime")
needs_two_cores = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core only")


@pytest.mark.parametrize(
    ("text", "cores"),
    [("0", (0,)), ("0-3", (0, 1, 2, 3)), ("0,2", (0, 2)), ("5,0-1,1", (0, 1, 5)), ("unpinned", ())],
)
def test_cores_are_read(text: str, cores: tuple[int, ...]) -> None:
    assert parse_cores(text) == cores
    assert parse_cores(ranges(cores) or "unpinned") == cores


@pytest.mark.parametrize("text", ["", "a", "0-", "-1", "3-0", "0,,1", "0-99999", "0 1", "٣"])
def test_cores_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="expected cores"):
        parse_cores(text)


def test_cores_that_the_device_lacks(board: Device) -> None:
    check_cores(board, TARGET, (0, 1))
    with pytest.raises(UsageError, match="has the cores 0-1, and cannot be pinned to 2-3"):
        check_cores(board, TARGET, (1, 2, 3))
    with pytest.raises(UsageError, match="asks for 2 threads, but is to be pinned to core 0"):
        check_cores(board, dataclasses.replace(TARGET, threads=2), (0,))


@needs_two_cores
def test_a_pinned_session_says_so_and_leaves_this_process_alone(here: Device, make_model) -> None:
    before, model = os.sched_getaffinity(0), make_model()
    with open_session(here, TARGET, cores=(1,), tell=pytest.fail) as session:
        assert session.setup(model, model).affinity == "1"
        assert session.conditions()["affinity"] == [1]
    with open_session(here, TARGET) as session:
        assert session.setup(model, model).affinity == "unpinned"
    assert os.sched_getaffinity(0) == before


@needs_two_cores
@pytest.mark.parametrize("kind", ["unknown-request", "granted less"])
def test_a_device_that_does_not_allow_it(here: Device, make_model, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    from latkit.devices.link import Link

    ask = Link.ask

    def refusing(self: Link, request: str, timeout_s: float, **fields: object) -> dict[str, object]:
        if request != "pin":
            return ask(self, request, timeout_s, **fields)
        if kind == "unknown-request":
            raise AgentError(kind, "no such request")
        return {"affinity": [0, 1]}

    monkeypatch.setattr(Link, "ask", refusing)
    said: list[str] = []
    model = make_model()
    with open_session(here, TARGET, cores=(1,), tell=said.append) as session:
        assert session.setup(model, model).affinity == "unpinned"
    assert said == ["board does not allow pinning to cores 1: what it measures stays unpinned"]
