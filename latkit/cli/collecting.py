"""Collecting on several targets in one command: devices in parallel, the targets of one device in sequence."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from latkit.cli.console import note, say
from latkit.devices import COOLING, BenchmarkTool, Cooling, Device, benchmark_tool, is_this_host, lease_key
from latkit.devices.android.benchmark_model import check_takes_tool
from latkit.errors import ExportError, LatkitError, UsageError
from latkit.profiling import Collection, CollectionSummary
from latkit.profiling.active_learning import explore
from latkit.progress import Progress
from latkit.spaces import Space
from latkit.targets import Target
from latkit.timing import TimingPlan, Workload
from latkit.workspace import Workspace

OnMessageOf = Callable[[Target], Callable[[str], None]]
"""Returns what receives the messages about a target."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is collected on every target."""

    workspace: Workspace
    workloads: Sequence[Workload]
    plan: TimingPlan
    max_seconds: float | None
    """For each target."""
    wait_s: float
    cores: Mapping[Target, tuple[int, ...]] = field(default_factory=dict)
    """Cores to pin to; a target without any is not pinned."""
    cooling: Cooling = COOLING
    space: Space | None = None
    further_ops: int = 0
    """How many ops beyond the space to measure (see `latkit.profiling.active_learning`)."""
    rebaseline: bool = False
    """Measure a new baseline on devices whose speed has changed."""
    tool: BenchmarkTool | None = field(default=None, kw_only=True)
    """The tool that measures instead of latkit's agents."""

    def collect(self, target: Target, progress: Progress, on_message: Callable[[str], None]) -> CollectionSummary:
        """Collect on one target. Raises as Workspace.collection and Collection.run do."""
        with self.collection(target, progress, on_message) as collection:
            summary = collection.run(self.workloads, max_seconds=self.max_seconds)
            if self.space is None or not self.further_ops or not summary.finished:
                return summary
            left_s = None if self.max_seconds is None else max(self.max_seconds - summary.seconds, 0.0)
            return summary.plus(explore(collection, self.space, self.further_ops, left_s))

    def collection(
        self, target: Target, progress: Progress, on_message: Callable[[str], None]
    ) -> AbstractContextManager[Collection]:
        """What is needed to measure on one target. Raises as Workspace.collection does."""
        return self.workspace.collection(
            target,
            self.plan,
            progress,
            self.wait_s,
            on_message,
            self.cores.get(target, ()),
            self.cooling,
            self.rebaseline,
            self.tool,
        )


def tool_of(binary: Path | None, flags: Sequence[str] | None, *targets: Target) -> BenchmarkTool | None:
    """The tool that --binary and --binary-flag name, for these targets. Raises UsageError."""
    if binary is None:
        if flags:
            raise UsageError(f"expected --binary PATH with --binary-flag, but found --binary-flag {flags[0]} alone")
        return None
    for target in targets:
        check_takes_tool(target, "--binary")
    return benchmark_tool(binary, flags or ())


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


class Named:
    """Progress of one of several targets: its phases carry its name."""

    def __init__(self, progress: Progress, target: Target) -> None:
        self._progress = progress
        self._target = target

    def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
        """Pass it on under the target's name."""
        self._progress.advance(f"{self._target} {phase}", done, total, text)


def collect_side_by_side(
    order: Order, targets: Sequence[Target], progress: Progress, on_message: OnMessageOf
) -> list[Outcome]:
    """The outcome of each target, in order. An error of latkit ends its own target only; UsageError ends all of them.

    One thread per device. The threads are daemons: at an interrupt the command ends at once, together with its agents,
    and the leases it leaves are those of a dead process.
    """
    devices = {target: order.workspace.device(target.device) for target in targets}
    groups: dict[str, list[Target]] = {}
    for target, device in devices.items():
        groups.setdefault(lease_key(device), []).append(target)
    if len(groups) > 1 and any(map(is_this_host, devices.values())):
        _export_first(order, devices, progress)
    outcomes: dict[Target, Outcome] = {}
    bugs: list[BaseException] = []

    def work(group: Sequence[Target]) -> None:
        try:
            for target in group:
                outcomes[target] = _outcome(order, target, Named(progress, target), on_message(target))
        except BaseException as error:  # noqa: BLE001 - raised again by the main thread
            bugs.append(error)

    threads = [threading.Thread(target=work, args=(group,), daemon=True) for group in groups.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if bugs:
        raise bugs[0]
    return [outcomes[target] for target in devices]


def _outcome(order: Order, target: Target, progress: Progress, on_message: Callable[[str], None]) -> Outcome:
    try:
        return Outcome(target, order.collect(target, progress, on_message))
    except LatkitError as error:
        on_message(f"failed: {error}")
        return Outcome(target, error=error)


def _export_first(order: Order, devices: dict[Target, Device], progress: Progress) -> None:
    """Export for all targets before anything is timed: this machine is one of the devices; exporting disturbs it."""
    for target in devices:
        export = order.workspace.exporter(target)
        for done, workload in enumerate(order.workloads, start=1):
            with suppress(ExportError):  # reported when the target itself is collected
                export(workload)
            progress.advance(f"{target} exporting", done, len(order.workloads), workload.title)


def _parts(summary: CollectionSummary) -> str:
    """Where the time went, without the parts that took none."""
    parts = {
        "inference": summary.inference_seconds,
        "export": summary.export_seconds,
        "push": summary.push_seconds,
        "load": summary.load_seconds,
        "faults": summary.lost_seconds,
        "idle": summary.idle_seconds,
    }
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in parts.items() if seconds >= 0.05)


def print_outcome(outcome: Outcome, space: str | None, as_json: bool) -> None:
    """Print what was collected on a target; with --json, only the messages."""
    where, summary = outcome.target, outcome.summary
    if summary is None:
        note(f"error: {where}: {outcome.error}")
        return
    if not as_json:
        say(
            f"{where}: {summary.rounds} visits made of {summary.workloads} ops and networks, {summary.resumed} "
            f"were there, in {summary.seconds:.0f} s ({_parts(summary)})"
        )
    for title, reason in summary.failed.items():
        note(f"not measured on {where}: {title}: {reason}")
    if not summary.finished:
        note("the time ran out; run the same command again to go on")
    elif not as_json:
        say(f"next: latkit fit {where}{f' --space {shlex.quote(space)}' if space else ''}")
