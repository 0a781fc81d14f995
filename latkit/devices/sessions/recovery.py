"""Recovery: a session that survives faults of the device, so that a night's collection runs unattended.

A lost session (connection, server or agent gone, stopped or answering garbage) is opened again, with pauses, and the
round in flight is repeated. What failed twice is tried a third time only after a round of the reference alone has shown
that the device works: then the model is at fault, and the collection leaves it out. After too many consecutive faults,
the device is abandoned.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import TypeVar

from latkit.devices.sessions.session import Session
from latkit.errors import AgentError, DeadlineExceeded, DeviceError, DeviceFailing, DeviceGone, Unreachable
from latkit.runtimes.artifact import Artifact
from latkit.timing import Environment, Round, TimingPlan

PAUSES_S = (0.0, 1.0, 5.0, 20.0, 60.0)
"""Pause before each attempt to open a lost session: enough for a board to boot."""
MAX_IN_A_ROW = 3
"""After this many consecutive faults without a completed round, the device is abandoned."""
MAX_CRASHES = 2
"""After this many lost sessions over one model, a round of the reference shows whether the model is at fault."""

LOST = (DeviceGone, DeadlineExceeded, Unreachable)

Result = TypeVar("Result")


class RecoveringSession:
    """A session that reopens itself. Used by one thread; closed at the end of a `with`.

    `opened` opens a session; `on_message` receives remarks for people; `check_lease` is called after each round, and
    raises if the round is not valid. Opening the first session raises whatever `opened` raises. Later, DeviceFailing is
    raised after `MAX_IN_A_ROW` faults with no completed round between them, or if the device stays away for all of
    `pauses_s`; AgentError of kind `crash` for a model that ends its agent while the reference does not;
    MeasurementConflict if the device has come back with other versions.
    """

    def __init__(
        self,
        device: str,
        opened: Callable[[], Session],
        on_message: Callable[[str], None] = lambda _text: None,
        check_lease: Callable[[], None] = lambda: None,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self._device = device
        self._opened = opened
        self._on_message = on_message
        self._still_ours = check_lease
        self._pauses_s = pauses_s
        self._faults: list[tuple[str, str]] = []
        self._crashes: Counter[str] = Counter()
        self._known: tuple[Artifact, Artifact, Environment] | None = None
        self._session: Session | None = opened()
        self.boot_id = self._session.boot_id
        """The kernel's boot id of the device; empty if it reports none."""
        self.faults = 0
        """Number of faults since the beginning."""
        self._in_a_row = 0

    def environment(self, artifact: Artifact, reference: Artifact) -> Environment:
        """What identifies the numbers of that artifact, timed alternately with that reference."""
        found = self._retry(artifact, reference, lambda session: session.environment(artifact, reference))
        self._known = (artifact, reference, found)
        return found

    def measure_round(self, artifact: Artifact, reference: Artifact, plan: TimingPlan) -> Round:
        """One round. Its conditions also hold `boot_id`, which changes when the device is booted, and, after faults,
        `lost_s`, the seconds from its first attempt until it could be made.
        """
        lost_s, begun = 0.0, time.monotonic()

        def act(session: Session) -> Round:
            nonlocal lost_s
            lost_s = time.monotonic() - begun
            return session.measure_round(artifact, reference, plan)

        lost_before = self.faults
        one_round = self._retry(artifact, reference, act)
        self._still_ours()
        lost = {"lost_s": lost_s} if self.faults > lost_before else {}
        return replace(one_round, conditions={**one_round.conditions, "boot_id": self.boot_id, **lost})

    def act(self, artifact: Artifact, reference: Artifact, do: Callable[[Session], Result]) -> Result:
        """The result of what else is done with a model, in as many sessions as it takes. Raises as `measure_round`."""
        return self._retry(artifact, reference, do)

    def unload(self, artifact: Artifact) -> None:
        """Free the memory of an artifact: its next round loads it anew. Never raises."""
        if self._session is not None:
            self._session.unload(artifact)

    def close(self) -> None:
        """End the session. Never raises."""
        if self._session is not None:
            self._session.close()
        self._session = None

    def _retry(self, artifact: Artifact, reference: Artifact, act: Callable[[Session], Result]) -> Result:
        """The result of `act`, in as many sessions as it takes."""
        while True:
            try:
                result = act(self._open_session())
            except LOST as error:
                self._drop_session(error)
                self._crashes[artifact.sha256] += 1
                if self._crashes[artifact.sha256] >= MAX_CRASHES and artifact != reference:
                    self._find_culprit(artifact, reference, error)
            else:
                self._reset_faults()
                del self._crashes[artifact.sha256]
                return result

    def _find_culprit(self, artifact: Artifact, reference: Artifact, error: DeviceError) -> None:
        """Raise AgentError if the reference alone can be timed, because then the model has ended the agent."""
        del self._crashes[artifact.sha256]
        try:
            self._open_session().measure_round(reference, reference, TimingPlan(rounds=1))
        except LOST as other:
            self._drop_session(other)
            return
        self._reset_faults()
        raise AgentError("crash", f"it ended the agent {MAX_CRASHES} times, and the reference did not: {error}")

    def _open_session(self) -> Session:
        """The current session, or a new one. Raises DeviceFailing."""
        if self._session is not None:
            return self._session
        for attempt, pause_s in enumerate(self._pauses_s):
            if attempt:
                self._on_message(f"{self._device}: trying again in {pause_s:g} s")
            time.sleep(pause_s)
            try:
                self._session = self._reopened()
            except LOST as error:
                self._record_fault(error)
            except AgentError as error:  # not a fault of the model to measure next
                raise DeviceError(f"{self._device} came back, but {error}") from error
            else:
                self._on_message(f"{self._device}: measuring goes on")
                return self._session
        raise DeviceFailing(self._device, self._faults)

    def _reopened(self) -> Session:
        """A new session that gives the same numbers as the first. Raises MeasurementConflict if it does not."""
        session = self._opened()
        try:
            if self._known is not None:
                artifact, reference, before = self._known
                before.check_same(session.environment(artifact, reference))
        except BaseException:
            session.close()
            raise
        if session.boot_id != self.boot_id:
            self._on_message(f"{self._device} was rebooted; boot_id separates the rounds before and after")
        self.boot_id = session.boot_id
        return session

    def _drop_session(self, error: DeviceError) -> None:
        """Close the session. Raises DeviceFailing if there were too many faults."""
        self.close()
        self._record_fault(error)
        self._in_a_row += 1
        if self._in_a_row >= MAX_IN_A_ROW:
            raise DeviceFailing(self._device, self._faults) from error

    def _reset_faults(self) -> None:
        self._faults.clear()
        self._in_a_row = 0

    def _record_fault(self, error: DeviceError) -> None:
        self.faults += 1
        self._faults.append((datetime.now(UTC).isoformat(timespec="seconds"), str(error)))
        self._on_message(f"fault: {error}")

    def __enter__(self) -> RecoveringSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
