"""What a collection did, and where its time went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, fields

from latkit.timing import Visit


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection did."""

    subjects: int
    visits: int
    """Visits made now, those that failed among them."""
    already: int
    """Visits that were there before."""
    failed: Mapping[str, str]
    """Why each subject that could not be measured could not, by its title."""
    finished: bool
    """False where the time ran out first."""
    seconds: float
    """From the beginning to the end; what follows adds up to it."""
    inference_seconds: float
    """Sum of the wall time of every run, of subjects and references, those that warmed up among them."""
    export_seconds: float = 0.0
    """Waiting for artefacts; where they are made while the device is at work, only what is left to wait."""
    push_seconds: float = 0.0
    """Carrying artefacts to the device."""
    load_seconds: float = 0.0
    """Until the device had loaded them, again where one was unloaded for want of memory."""
    lost_seconds: float = 0.0
    """Between a fault and the next session that worked, what was in flight among it."""
    idle_seconds: float = 0.0
    """Everything else, while the device does nothing of ours: conditions, commits, talk, and letting it cool."""

    def plus(self, later: Collected) -> Collected:
        """This collection and one made after it, of other subjects, as one."""
        sums = {
            field.name: getattr(self, field.name) + getattr(later, field.name)
            for field in fields(self)
            if field.name not in ("failed", "finished")
        }
        return Collected(**sums, failed={**self.failed, **later.failed}, finished=later.finished)


class Ledger:
    """Where the time of a collection goes, in seconds, added up visit by visit."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def add(self, visit: Visit) -> None:
        """Count what a visit tells of itself."""
        for told in ("push_s", "load_s", "lost_s"):
            found = visit.conditions.get(told)
            self._seconds[told] += found if isinstance(found, float) else 0.0
        self._seconds["inference_s"] += _inference_ns(visit) / 1e9

    def columns(self, seconds: float, export_s: float) -> dict[str, float]:
        """The columns of `Collected` for a collection that took so long, and waited so long for artefacts."""
        found = self._seconds
        parts = {
            "inference_seconds": found["inference_s"],
            "export_seconds": export_s,
            "push_seconds": found["push_s"],
            "load_seconds": found["load_s"],
            "lost_seconds": found["lost_s"],
        }
        return {"seconds": seconds, **parts, "idle_seconds": max(seconds - sum(parts.values()), 0.0)}


def _inference_ns(visit: Visit) -> int:
    """Time of all runs of a visit; of the timed ones alone where the agent does not tell."""
    told = visit.conditions.get("inference_ns")
    return told if isinstance(told, int) else sum(visit.wall_ns) + sum(visit.reference_wall_ns)
