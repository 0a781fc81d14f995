"""The export queue: artifacts, exported before the timing, or one after another while the device measures.

On a machine that is both host and device, exporting would disturb the timing; elsewhere it costs no device time.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType

from latkit.errors import ExportError
from latkit.progress import Progress
from latkit.runtimes import Artifact
from latkit.timing import Workload

Exporter = Callable[[Workload], Artifact]
"""Returns the artifact of a workload for the target, from the cache if it is there. Raises ExportError."""


class ExportQueue:
    """Artifacts of workloads, in the order in which they are requested. Use as a context manager."""

    def __init__(self, export: Exporter) -> None:
        self.waited_s = 0.0
        """How long callers waited for artifacts."""
        self._export = export
        self._made: dict[Workload, Artifact | BaseException] = {}
        self._pending: deque[Workload] = deque()
        self._changed = threading.Condition()

    def export_all(self, workloads: Sequence[Workload], progress: Progress) -> None:
        """Export now; failures are raised when the artifact is requested."""
        begun = time.monotonic()
        for done, workload in enumerate(workloads, start=1):
            self._make(workload)
            progress.advance("exporting", done, len(workloads), workload.title)
        self.waited_s += time.monotonic() - begun

    def export_in_background(self, workloads: Sequence[Workload]) -> None:
        """Export in a daemon thread, in this order unless another workload is requested first."""
        self._pending.extend(workloads)
        threading.Thread(target=self._work, name="export", daemon=True).start()

    def artifact(self, workload: Workload) -> Artifact:
        """The artifact; waits until it is exported. Raises ExportError, and whatever else the export raised."""
        begun = time.monotonic()
        with self._changed:
            if workload in self._pending:
                self._pending.remove(workload)
                self._pending.appendleft(workload)
            self._changed.wait_for(lambda: workload in self._made)
        self.waited_s += time.monotonic() - begun
        made = self._made[workload]
        if isinstance(made, BaseException):
            raise made
        return made

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._pending:
                    return
                workload = self._pending.popleft()
            self._make(workload, BaseException)

    def _make(self, workload: Workload, caught: type[BaseException] = ExportError) -> None:
        """Export, or save an error of that kind for the caller that requests the artifact."""
        made: Artifact | BaseException
        try:
            made = self._export(workload)
        except caught as error:
            made = error
        with self._changed:
            self._made[workload] = made
            self._changed.notify_all()

    def __enter__(self) -> ExportQueue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._pending.clear()
