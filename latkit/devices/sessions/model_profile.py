"""What a session asks an agent about a user's own model file: loading, paced runs, and the times of its ops."""

from __future__ import annotations

from dataclasses import dataclass

from latkit.devices.sessions.answers import (
    LoadedModel,
    PacedRuns,
    ProfiledOp,
    ProfiledOps,
    ProfiledRuns,
    checked,
)
from latkit.devices.sessions.session import ROUND_MARGIN_S, Session
from latkit.errors import AgentError, DeviceError
from latkit.runtimes.artifact import FileArtifact

MIN_FREE_BYTES = 2**24
"""Space that remains free on a device's disk."""
OLD_AGENT = "the device's agent is older than this request; update it with: latkit device doctor"


@dataclass(frozen=True, slots=True)
class OpProfile:
    """Times of the ops of a model, in separate runs with the runtime's profiler."""

    profiler: str
    wall_ns: tuple[int, ...]
    """Wall time of every profiled run."""
    ops: tuple[ProfiledOp, ...]
    """In the order of execution."""
    arena_bytes: int | None
    exact: bool


def load_file(session: Session, artifact: FileArtifact) -> LoadedModel:
    """Load a model file. If the runtime rejects it, the files pushed for it are removed from the device again.

    Raises AgentError with the runtime's own reason, DeviceError where it does not fit on the device's disk.
    """
    _check_room(session, artifact)
    before = session.present
    try:
        loaded = session.loaded(artifact)
    except AgentError:
        session.remove_files(sha256 for _, sha256 in artifact.files() if sha256 not in before)
        raise
    if loaded.bound_inputs is None:
        raise DeviceError(f"{session.device.name}: {OLD_AGENT} {session.device.name}")
    return loaded


def _check_room(session: Session, artifact: FileArtifact) -> None:
    """Raise DeviceError where the files to push do not fit on the device's disk, or the model into its memory."""
    free_bytes = session.conditions().get("free_disk_bytes")
    sizes = {sha256: path.stat().st_size for path, sha256 in artifact.files()}
    push_bytes = sum(size for sha256, size in sizes.items() if sha256 not in session.present)
    name = session.device.name
    if isinstance(free_bytes, int) and push_bytes + MIN_FREE_BYTES > free_bytes:
        raise DeviceError(
            f"{name}: expected {push_bytes / 2**20:.0f} MiB free on its disk for {artifact.path.name}, but found "
            f"{free_bytes / 2**20:.0f} MiB"
        )
    memory_bytes = session.device.facts.memory_bytes
    if sum(sizes.values()) > memory_bytes:
        raise DeviceError(
            f"{name}: expected a model within its memory, {memory_bytes / 2**20:.0f} MiB, but {artifact.path.name} "
            f"has {sum(sizes.values()) / 2**20:.0f} MiB"
        )


def time_paced(session: Session, artifact: FileArtifact, interval_s: float, runs: int, run_s: float) -> PacedRuns:
    """Runs that begin at an interval. `run_s`: the expected length of a run. Raises DeviceError."""
    deadline_s = runs * max(interval_s, 3 * run_s) + ROUND_MARGIN_S
    handle = session.loaded(artifact).handle
    answer = _ask(session, "pace", deadline_s, handle=handle, interval_s=interval_s, runs=runs)
    return checked(PacedRuns, answer, "pace", session.device.name)


def profile_ops(session: Session, artifact: FileArtifact, runs: int, seconds: float) -> OpProfile:
    """Up to that many runs with the runtime's profiler, for about that many seconds. The profiled copy is unloaded.

    Raises AgentError of kind `no-profiler` where the runtime has none, DeviceError.
    """
    profiled, name = artifact.profiled(), session.device.name
    handle = session.loaded(profiled).handle
    try:
        answer = _ask(session, "profile", seconds + ROUND_MARGIN_S, handle=handle, runs=runs, seconds=seconds)
        found = checked(ProfiledRuns, answer, "profile", name)
        ops: list[ProfiledOp] = []
        while len(ops) < found.ops:
            page = _ask(session, "ops", ROUND_MARGIN_S, handle=handle, first=len(ops))
            more = checked(ProfiledOps, page, "ops", name).ops
            if not more:
                raise DeviceError(f"{name}: expected {found.ops} ops of a profile, but found {len(ops)}")
            ops += more
    finally:
        session.unload(profiled)
    return OpProfile(found.profiler, tuple(found.wall_ns), tuple(ops), found.arena_bytes, found.exact)


def _ask(session: Session, request: str, deadline_s: float, **fields: object) -> dict[str, object]:
    try:
        return dict(session.ask(request, deadline_s, **fields))
    except AgentError as error:
        if error.kind == "unknown-request":
            raise AgentError("no-profiler", f"{OLD_AGENT} {session.device.name}") from error
        raise
