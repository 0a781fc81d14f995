"""The jobs of a workspace: what is running, how far it is, and what ended lately, for other processes to read.

Every verb that takes long keeps one small record in `.latkit/jobs/`, replaced at most about once a second. It is
written by the thread that reports progress, between two steps, never while something is timed. A record is marked at
the end of its job. The record of a killed process stays as it was: its process id and start show that it has died.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from latkit._io import host_error, load_record, make_folder, one_line, write_record, write_text
from latkit.devices.leases.holder import host_boot_id, is_alive, pid_namespace, process_start, user_name
from latkit.errors import LatkitError, UsageError
from latkit.progress import Callbacks, Pace, Progress

FOLDER = Path(".latkit") / "jobs"
"""In a workspace."""
SECONDS_BETWEEN_WRITES = 1.0
MAX_BURST = 20
"""Writes beyond one a second: the beginning and the end of a phase are shown at once."""
MAX_PHASES = 40
MAX_ENDED = 20
"""Records of ended jobs that are kept."""
MAX_RECORDS = 500
"""Records that are read."""
MAX_BYTES = 2**17
SECONDS_UNTIL_UNKNOWN = 120.0
"""A job of another machine that reported nothing for this long may have ended."""

Text = Annotated[str, Field(max_length=300)]
Moment = Annotated[float, Field(ge=0, lt=2**40)]
"""Seconds since 1970."""
State = Literal["running", "finished", "failed", "interrupted", "died", "unknown"]


class PhaseRecord(BaseModel):
    """How far a phase of a job is."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)
    name: Text
    done: Annotated[int, Field(ge=0, lt=2**53)]
    total: Annotated[int, Field(ge=0, lt=2**53)]
    text: Text = ""
    """About the latest step that said something."""
    at: Moment
    """Time of the latest step."""
    ends_at: Moment | None = None
    """When it is finished, at its recent pace; None if that is not known."""


class JobRecord(BaseModel):
    """A job of a workspace. Every field has bounds: others may write into a shared workspace."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)
    format: Literal["latkit-job-1"] = "latkit-job-1"
    command: Text
    """Such as `collect`."""
    targets: Annotated[tuple[Text, ...], Field(max_length=1000)] = ()
    name: Text = ""
    """Of the search, the supernet or the space."""
    user: Text
    host: Text
    pid: Annotated[int, Field(ge=1, le=2**22)]
    pid_namespace: Text = ""
    process_start: int
    boot_id: Text
    begun_at: Moment
    updated_at: Moment
    ended_at: Moment | None = None
    outcome: Literal["", "finished", "failed", "interrupted"] = ""
    message: Text = ""
    """The latest message of a running job, or the error of a failed one."""
    phases: Annotated[tuple[PhaseRecord, ...], Field(max_length=MAX_PHASES)] = ()
    """The one that advanced last is the last one."""

    @property
    def state(self) -> State:
        """Whether it runs, and how it ended; `died` if its process was killed or its machine was booted.

        `unknown` is a job of another machine or container that has not reported lately.
        """
        if self.outcome:
            return self.outcome
        if self.boot_id == host_boot_id() and self.pid_namespace == pid_namespace():
            return "running" if is_alive(self.pid, self.process_start) else "died"
        if self.boot_id != host_boot_id() and self.host == socket.gethostname():
            return "died"
        return "running" if time.time() - self.updated_at < SECONDS_UNTIL_UNKNOWN else "unknown"


@dataclass(frozen=True, slots=True)
class Job:
    """What a verb is about to do."""

    command: str
    targets: tuple[str, ...] = ()
    name: str = ""


@dataclass(slots=True)
class _Phase:
    name: str
    pace: Pace = field(default_factory=Pace)
    total: int = 0
    text: str = ""
    at: float = 0.0

    def record(self) -> PhaseRecord:
        left_s = self.pace.left_s(self.total) if self.pace.is_known else None
        return PhaseRecord(
            name=one_line(self.name),
            done=max(self.pace.done, 0),
            total=max(self.total, 0),
            text=one_line(self.text),
            at=self.at,
            ends_at=None if left_s is None else min(self.at + max(left_s, 0.0), 2.0**39),
        )


class _Reporter:
    """Passes progress and messages on, and keeps the record up to date; for any thread."""

    def __init__(self, path: Path, record: JobRecord, callbacks: Callbacks) -> None:
        self._path = path
        self._record = record
        self._callbacks = callbacks
        self._phases: dict[str, _Phase] = {}
        self._lock = threading.Lock()
        self._begun_at = self._written_at = time.monotonic()
        self._writes = 0
        self._write(self._begun_at)

    @property
    def callbacks(self) -> Callbacks:
        """Those that the job is given."""
        progress: Progress = self
        return Callbacks(progress, self.on_message)

    def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
        """See `Progress`."""
        self._callbacks.progress.advance(phase, done, total, text)
        with self._lock:
            now = time.monotonic()
            known = self._phases.pop(phase, None)
            is_new = known is None or done < known.pace.done
            if known is None or is_new:
                known = _Phase(phase)
            self._phases[phase] = known  # the one that advances last is the last one
            known.pace.note(now, done)
            known.total, known.text, known.at = total, text or known.text, time.time()
            if self._record.message:
                self._record = self._record.model_copy(update={"message": ""})
            may_be_early = self._writes < MAX_BURST + (now - self._begun_at)
            at_once = may_be_early and (is_new or done >= total)
            if at_once or now - self._written_at >= SECONDS_BETWEEN_WRITES:
                self._write(now)

    def on_message(self, text: str) -> None:
        """Pass a message on, and record it: the job may be waiting."""
        self._callbacks.on_message(text)
        with self._lock:
            self._record = self._record.model_copy(update={"message": one_line(text)})
            self._write(time.monotonic())

    def end(self, outcome: str, message: str = "") -> None:
        """Mark the record."""
        with self._lock:
            update = {"outcome": outcome, "message": one_line(message), "ended_at": time.time()}
            self._record = self._record.model_copy(update=update)
            self._write(time.monotonic())

    @property
    def has_begun(self) -> bool:
        """Whether any progress or message was reported."""
        return bool(self._phases or self._record.message)

    def remove(self) -> None:
        """Remove the record, and its folder if there is no other: nothing has changed then."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
            self._path.parent.rmdir()
            ignore = _ignore_file(self._path.parent)
            ignore.unlink(missing_ok=True)
            ignore.parent.rmdir()

    def _write(self, now: float) -> None:
        """A job goes on where its record cannot be written."""
        self._written_at = now
        self._writes += 1
        phases = tuple(phase.record() for phase in [*self._phases.values()][-MAX_PHASES:])
        self._record = self._record.model_copy(update={"updated_at": time.time(), "phases": phases})
        with suppress(LatkitError, OSError):
            make_folder(self._path.parent)  # another job that has not begun may have removed it
            write_record(self._path, self._record.model_dump(mode="json"), indent=None)


@contextmanager
def recorded(root: Path, job: Job, callbacks: Callbacks) -> Iterator[Callbacks]:
    """Callbacks for a job of the workspace at `root`, whose progress other processes can then read.

    Of several processes that search together, the first one keeps the record. A job that fails by a UsageError, or
    before it reports anything, has not begun and leaves none.
    """
    if os.environ.get("RANK", "0") != "0":
        yield callbacks
        return
    reporter = _Reporter(_new_path(root), _record_of(job), callbacks)
    try:
        yield reporter.callbacks
    except UsageError:
        reporter.remove()
        raise
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        reporter.end("interrupted")
        raise
    except BaseException as error:
        known = error if isinstance(error, LatkitError) else host_error(error) or error
        if reporter.has_begun:
            reporter.end("failed", f"{known}" or type(known).__name__)
        else:
            reporter.remove()
        raise
    reporter.end("finished")


def jobs_of(root: Path) -> list[JobRecord]:
    """The records of a workspace's jobs, the latest begun first. Files that cannot be read are left out."""
    return [record for _, record in _records(root)]


def _records(root: Path) -> list[tuple[Path, JobRecord]]:
    found = []
    try:
        paths = sorted((root / FOLDER).glob("[!.]*.json"), reverse=True)[:MAX_RECORDS]
    except OSError:
        return []
    for path in paths:
        with suppress(LatkitError, OSError):  # removed meanwhile, or not latkit's
            found.append((path, load_record(path, JobRecord, "the record of a job", MAX_BYTES)))
    return sorted(found, key=lambda one: one[1].begun_at, reverse=True)


def _new_path(root: Path) -> Path:
    """A file for a new record. Old ones are removed, and the folder is kept out of git."""
    folder = root / FOLDER
    with suppress(LatkitError, OSError):
        make_folder(folder)
        ignore = _ignore_file(folder)
        if not ignore.exists():
            write_text(ignore, "*\n")
        ended = [path for path, record in _records(root) if record.state not in ("running", "unknown")]
        for path in ended[MAX_ENDED - 1 :]:
            path.unlink(missing_ok=True)
    return folder / f"{time.time():.0f}-{os.getpid()}-{secrets.token_hex(4)}.json"


def _ignore_file(folder: Path) -> Path:
    """Keeps the records out of git."""
    return folder.parent / ".gitignore"


def _record_of(job: Job) -> JobRecord:
    now = time.time()
    return JobRecord(
        command=one_line(job.command),
        targets=tuple(map(one_line, job.targets[:1000])),
        name=one_line(job.name),
        user=one_line(user_name()),
        host=one_line(socket.gethostname()),
        pid=os.getpid(),
        pid_namespace=pid_namespace(),
        process_start=process_start(os.getpid()),
        boot_id=host_boot_id(),
        begun_at=now,
        updated_at=now,
    )
