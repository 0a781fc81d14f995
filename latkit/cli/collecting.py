"""Collecting on several targets in one command: devices side by side, the targets of one device in turn."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from latkit.cli.console import note, say
from latkit.collect import Collected, Collection
from latkit.devices import COOLING, BenchmarkTool, Cooling, Device, benchmark_tool, is_this_host, lease_key
from latkit.errors import ExportError, LatkitError, UsageError
from latkit.explore import explore
from latkit.progress import Progress
from latkit.spaces import Space
from latkit.targets import Target
from latkit.timing import Subject, TimingPlan
from latkit.workspace import Workspace

TellOf = Callable[[Target], Callable[[str], None]]
"""Gives what receives the remarks about a target."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be collected on every target."""

    workspace: Workspace
    subjects: Sequence[Subject]
    plan: TimingPlan
    max_seconds: float | None
    """For each target."""
    wait_s: float
    cores: Mapping[Target, tuple[int, ...]] = field(default_factory=dict)
    """Those to pin to; a target without any is not pinned."""
    cooling: Cooling = COOLING
    space: Space | None = None
    further_ops: int = 0
    """How many ops beyond the space to measure (see `latkit.explore`)."""
    new_scale: bool = False
    """Measure anew on devices that have come to another speed."""
    tool: BenchmarkTool | None = field(default=None, kw_only=True)
    """What measures instead of latkit's agents."""

    def collect(self, target: Target, progress: Progress, tell: Callable[[str], None]) -> Collected:
        """Collect on one target. Raises as Workspace.collection and Collection.run do."""
        with self.collection(target, progress, tell) as collection:
            collected = collection.run(self.subjects, max_seconds=self.max_seconds)
            if self.space is None or not self.further_ops or not collected.finished:
                return collected
            left_s = None if self.max_seconds is None else max(self.max_seconds - collected.seconds, 0.0)
            return collected.plus(explore(collection, self.space, self.further_ops, left_s))

    def collection(
        self, target: Target, progress: Progress, tell: Callable[[str], None]
    ) -> AbstractContextManager[Collection]:
        """What is needed to measure on one target. Raises as Workspace.collection does."""
        return self.workspace.collection(
            target,
            self.plan,
            progress,
            self.wait_s,
            tell,
            self.cores.get(target, ()),
            self.cooling,
            self.new_scale,
            self.tool,
        )


def tool_of(binary: Path | None, flags: Sequence[str] | None, *targets: Target) -> BenchmarkTool | None:
    """The tool that --binary and --binary-flag name, for these targets. Raises UsageError."""
    if binary is None:
        if flags:
            raise UsageError(f"expected --binary PATH with --binary-flag, but found --binary-flag {flags[0]} alone")
        return None
    for target in targets:
        if target.runtime != "tflite":
            raise UsageError(f"expected a target of the runtime tflite with --binary, but found {target}")
    return benchmark_tool(binary, flags or ())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one target: what was collected, or why nothing more could be."""

    target: Target
    collected: Collected | None = None
    error: LatkitError | None = None

    @property
    def failed(self) -> bool:
        """Whether the device or an op of it failed."""
        return self.collected is None or bool(self.collected.failed)

    def document(self) -> dict[str, object]:
        """The figures of the command line."""
        if self.collected is None:
            return {"target": str(self.target), "error": str(self.error)}
        return {"target": str(self.target), **asdict(self.collected)}


class Named:
    """Progress of one of several targets: its phases bear its name."""

    def __init__(self, progress: Progress, target: Target) -> None:
        self._progress = progress
        self._target = target

    def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
        """Pass it on under the target's name."""
        self._progress.advance(f"{self._target} {phase}", done, total, text)


def collect_side_by_side(order: Order, targets: Sequence[Target], progress: Progress, tell: TellOf) -> list[Outcome]:
    """What became of each target, in their order. Errors of latkit end a target and no other; UsageError all at once.

    One thread per device. They are daemons: at an interrupt the command ends at once, its agents with it, and the
    leases it leaves are those of a dead process.
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
                outcomes[target] = _outcome(order, target, Named(progress, target), tell(target))
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


def _outcome(order: Order, target: Target, progress: Progress, tell: Callable[[str], None]) -> Outcome:
    try:
        return Outcome(target, order.collect(target, progress, tell))
    except LatkitError as error:
        tell(f"failed: {error}")
        return Outcome(target, error=error)


def _export_first(order: Order, devices: dict[Target, Device], progress: Progress) -> None:
    """Export for all before anything is timed: this machine is one of the devices, and exporting would disturb it."""
    for target in devices:
        export = order.workspace.exporter(target)
        for done, subject in enumerate(order.subjects, start=1):
            with suppress(ExportError):  # told when the target's own turn comes
                export(subject)
            progress.advance(f"{target} exporting", done, len(order.subjects), subject.title)


def _parts(collected: Collected) -> str:
    """Where the time went, without what took none."""
    parts = {
        "inference": collected.inference_seconds,
        "export": collected.export_seconds,
        "push": collected.push_seconds,
        "load": collected.load_seconds,
        "faults": collected.lost_seconds,
        "idle": collected.idle_seconds,
    }
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in parts.items() if seconds >= 0.05)


def tell_outcome(outcome: Outcome, space: str | None, as_json: bool) -> None:
    """Say what was collected on a target; with --json, only the remarks."""
    where, collected = outcome.target, outcome.collected
    if collected is None:
        note(f"error: {where}: {outcome.error}")
        return
    if not as_json:
        say(
            f"{where}: {collected.visits} visits made of {collected.subjects} ops and networks, {collected.already} "
            f"were there, in {collected.seconds:.0f} s ({_parts(collected)})"
        )
    for title, reason in collected.failed.items():
        note(f"not measured on {where}: {title}: {reason}")
    if not collected.finished:
        note("the time ran out; run the same command again to go on")
    elif not as_json:
        say(f"next: latkit fit {where}{f' --space {shlex.quote(space)}' if space else ''}")
