"""The scheduler: several targets in one collection; devices in parallel, the targets of one device in sequence."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from latkit.devices import Device, is_this_host, lease_key
from latkit.errors import ExportError, LatkitError
from latkit.profiling.export_queue import Exporter
from latkit.profiling.summary import CollectionSummary
from latkit.progress import Callbacks
from latkit.targets import Target
from latkit.timing import Workload

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Job:
    """What is collected, and where."""

    devices: Mapping[Target, Device]
    """The device of every target."""
    collect: Callable[[Target, Callbacks], CollectionSummary]
    """Collects on one target."""
    exporter: Callable[[Target], Exporter]
    workloads: Sequence[Workload] = ()
    """Known before anything is measured, so that they can be exported first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome on one target: what was collected, or why nothing more could be."""

    target: Target
    summary: CollectionSummary | None = None
    error: LatkitError | None = None

    @property
    def failed(self) -> bool:
        """Whether the device or one of its ops failed."""
        return self.summary is None or bool(self.summary.failed)

    def document(self) -> dict[str, object]:
        """The figures that the command line prints."""
        if self.summary is None:
            return {"target": str(self.target), "error": str(self.error)}
        return {"target": str(self.target), **self.summary.to_json()}


def schedule(job: Job, callbacks: Callbacks) -> list[Outcome]:
    """The outcome of each target, in order.

    An error of latkit on one of several targets ends that target only; on a single target it is raised. Other errors
    end all of them. One thread per device. The threads are daemons: at an interrupt the command ends at once, together
    with its agents, and the leases it leaves are those of a dead process.
    """
    if len(job.devices) == 1:
        (target,) = job.devices
        return [Outcome(target, job.collect(target, callbacks))]
    several = len(set(map(lease_key, job.devices.values()))) > 1
    if several and any(map(is_this_host, job.devices.values())):
        _export_first(job, callbacks)
    outcomes = each_target(job.devices, lambda target: _outcome(job, target, callbacks.named(str(target))))
    return list(outcomes.values())


def each_target(devices: Mapping[Target, Device], act: Callable[[Target], T]) -> dict[Target, T]:
    """What `act` gives for each target, in order: devices in parallel, the targets of one device in sequence.

    One daemon thread per device. What a thread raises is raised here after all have ended.
    """
    groups: dict[str, list[Target]] = {}
    for target, device in devices.items():
        groups.setdefault(lease_key(device), []).append(target)
    found: dict[Target, T] = {}
    bugs: list[BaseException] = []

    def work(group: Sequence[Target]) -> None:
        try:
            for target in group:
                found[target] = act(target)
        except BaseException as error:  # noqa: BLE001 - raised again by the main thread
            bugs.append(error)

    threads = [threading.Thread(target=work, args=(group,), daemon=True) for group in groups.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if bugs:
        raise bugs[0]
    return {target: found[target] for target in devices}


def _outcome(job: Job, target: Target, callbacks: Callbacks) -> Outcome:
    try:
        return Outcome(target, job.collect(target, callbacks))
    except LatkitError as error:
        callbacks.on_message(f"failed: {error}")
        return Outcome(target, error=error)


def _export_first(job: Job, callbacks: Callbacks) -> None:
    """Export for all targets before anything is timed: this machine is one of the devices; exporting disturbs it."""
    for target in job.devices:
        export, progress = job.exporter(target), callbacks.named(str(target)).progress
        for done, workload in enumerate(job.workloads, start=1):
            with suppress(ExportError):  # reported when the target itself is collected
                export(workload)
            progress.advance("exporting", done, len(job.workloads), workload.title)
