"""Recovery: a session that survives what devices do, so that a night's collection needs nobody awake.

A session that is lost (connection, server or agent gone, stopped or speaking garbage) is opened anew, with pauses, and
what was in flight is done again. What died twice is done a third time only after a visit of the reference alone has
shown that the device is well: then the model is to blame, and the collection leaves it out. A device with too many
faults in a row is given up.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import TypeVar

from latkit.devices.session import Session
from latkit.errors import AgentError, DeadlineExceeded, DeviceError, DeviceFailing, DeviceGone, Unreachable
from latkit.runtimes.artefact import Artefact
from latkit.timing import Setup, TimingPlan, Visit

PAUSES_S = (0.0, 1.0, 5.0, 20.0, 60.0)
"""Before each attempt to open a lost session: enough for a board to boot."""
MOST_IN_A_ROW = 3
"""So many faults with nothing done between them, and the device is given up."""
MOST_CRASHES = 2
"""So many sessions may be lost over one model before it is tried whether the model is to blame."""

LOST = (DeviceGone, DeadlineExceeded, Unreachable)

Result = TypeVar("Result")


class RecoveringSession:
    """A session that opens itself anew. Used by one thread; closed at the end of a `with`.

    `opened` opens a session; `tell` receives remarks for people; `still_ours` is called after each visit, and raises
    what makes the visit void. Opening the first session raises whatever `opened` raises. Later, DeviceFailing is raised
    after MOST_IN_A_ROW faults with nothing done between them, or where the device stays away for all of `pauses_s`;
    AgentError of kind `crash` for a model that ends its agent where the reference does not; MeasurementConflict where
    the device has come back with other versions.
    """

    def __init__(
        self,
        device: str,
        opened: Callable[[], Session],
        tell: Callable[[str], None] = lambda _text: None,
        still_ours: Callable[[], None] = lambda: None,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self._device = device
        self._opened = opened
        self._tell = tell
        self._still_ours = still_ours
        self._pauses_s = pauses_s
        self._faults: list[tuple[str, str]] = []
        self._crashes: Counter[str] = Counter()
        self._known: tuple[Artefact, Artefact, Setup] | None = None
        self._session: Session | None = opened()
        self.boot_id = self._session.boot_id
        """What the device's kernel calls this run of itself; empty where it does not tell."""
        self.faults = 0
        """How many there were, since the beginning."""
        self._in_a_row = 0

    def setup(self, artefact: Artefact, reference: Artefact) -> Setup:
        """What identifies the numbers of that artefact, timed in turn with that reference."""
        found = self._persist(artefact, reference, lambda session: session.setup(artefact, reference))
        self._known = (artefact, reference, found)
        return found

    def visit(self, artefact: Artefact, reference: Artefact, plan: TimingPlan) -> Visit:
        """One visit; its conditions also hold `boot_id`, which changes when the device is booted, and `lost_s`, the
        seconds from its beginning until it could be made, if there were faults.
        """
        lost_s, begun = 0.0, time.monotonic()

        def act(session: Session) -> Visit:
            nonlocal lost_s
            lost_s = time.monotonic() - begun
            return session.visit(artefact, reference, plan)

        lost_before = self.faults
        visit = self._persist(artefact, reference, act)
        self._still_ours()
        lost = {"lost_s": lost_s} if self.faults > lost_before else {}
        return replace(visit, conditions={**visit.conditions, "boot_id": self.boot_id, **lost})

    def close(self) -> None:
        """End the session. Never raises."""
        if self._session is not None:
            self._session.close()
        self._session = None

    def _persist(self, artefact: Artefact, reference: Artefact, act: Callable[[Session], Result]) -> Result:
        """What `act` gives, in as many sessions as it takes."""
        while True:
            try:
                result = act(self._open_session())
            except LOST as error:
                self._lost(error)
                self._crashes[artefact.sha256] += 1
                if self._crashes[artefact.sha256] >= MOST_CRASHES and artefact != reference:
                    self._find_the_culprit(artefact, reference, error)
            else:
                self._well()
                del self._crashes[artefact.sha256]
                return result

    def _find_the_culprit(self, artefact: Artefact, reference: Artefact, error: DeviceError) -> None:
        """Raise AgentError where the reference alone can be visited, so that the model must have ended the agent."""
        del self._crashes[artefact.sha256]
        try:
            self._open_session().visit(reference, reference, TimingPlan(visits=1))
        except LOST as other:
            self._lost(other)
            return
        self._well()
        raise AgentError("crash", f"it ended the agent {MOST_CRASHES} times, and the reference did not: {error}")

    def _open_session(self) -> Session:
        """The session at hand, or one opened anew. Raises DeviceFailing."""
        if self._session is not None:
            return self._session
        for attempt, pause_s in enumerate(self._pauses_s):
            if attempt:
                self._tell(f"{self._device}: trying again in {pause_s:g} s")
            time.sleep(pause_s)
            try:
                self._session = self._reopened()
            except LOST as error:
                self._note(error)
            except AgentError as error:  # no fault of the model that is to be measured next
                raise DeviceError(f"{self._device} came back, but {error}") from error
            else:
                self._tell(f"{self._device}: measuring goes on")
                return self._session
        raise DeviceFailing(self._device, self._faults)

    def _reopened(self) -> Session:
        """A new session that gives the same numbers as the first. Raises MeasurementConflict if it does not."""
        session = self._opened()
        try:
            if self._known is not None:
                artefact, reference, before = self._known
                before.check_same(session.setup(artefact, reference))
        except BaseException:
            session.close()
            raise
        if session.boot_id != self.boot_id:
            self._tell(f"{self._device} was booted anew; the visits of before and after are told apart by boot_id")
        self.boot_id = session.boot_id
        return session

    def _lost(self, error: DeviceError) -> None:
        """Give the session up. Raises DeviceFailing when it is one fault too many."""
        self.close()
        self._note(error)
        self._in_a_row += 1
        if self._in_a_row >= MOST_IN_A_ROW:
            raise DeviceFailing(self._device, self._faults) from error

    def _well(self) -> None:
        self._faults.clear()
        self._in_a_row = 0

    def _note(self, error: DeviceError) -> None:
        self.faults += 1
        self._faults.append((datetime.now(UTC).isoformat(timespec="seconds"), str(error)))
        self._tell(f"fault: {error}")

    def __enter__(self) -> RecoveringSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
