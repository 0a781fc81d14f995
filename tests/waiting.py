"""Waiting in tests, so long that no busy machine decides whether a test passes."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from latkit.errors import LatkitError

PATIENCE_S = 60.0
"""For what takes a moment on an idle machine. What must not be waited for takes much longer, in the same test."""
POLL_S = 0.02
DEADLINES_S = (1.0, 5.0, 30.0)


def soon(condition: Callable[[], object]) -> bool:
    """Whether the condition holds, at the latest when patience ends."""
    deadline = time.monotonic() + PATIENCE_S
    while not (holds := condition()) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return bool(holds)


@contextmanager
def ending_soon() -> Iterator[None]:
    """For calls that end, with an error or without, before patience does."""
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < PATIENCE_S


def check_deadline(error: type[LatkitError], match: str, call: Callable[[float], object]) -> None:
    """Check that a call with a deadline raises this error when it has passed; `DEADLINE` in `match` stands for it.

    On a busy machine it may pass before what the test is about has begun: then the call has a longer one.
    """
    for deadline_s in DEADLINES_S:
        with ending_soon(), pytest.raises(error) as caught:
            call(deadline_s)
        if re.search(match.replace("DEADLINE", f"{deadline_s:g} s"), str(caught.value)):
            return
    pytest.fail(f"expected {match}, but found {caught.value}")
