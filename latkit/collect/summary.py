"""What a collection did, and where its time went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from latkit.timing import Round


@dataclass(frozen=True, slots=True)
class CollectionSummary:
    """What a collection did."""

    workloads: int
    rounds: int
    """Visits made now, those that failed among them."""
    resumed: int
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

    def to_json(self) -> dict[str, Any]:
        """As a JSON document, by the names that readers of `--json` know."""
        document = asdict(self)
        return {_JSON_NAMES.get(name, name): value for name, value in document.items()}

    def plus(self, later: CollectionSummary) -> CollectionSummary:
        """This collection and one made after it, of other subjects, as one."""
        sums = {
            field.name: getattr(self, field.name) + getattr(later, field.name)
            for field in fields(self)
            if field.name not in ("failed", "finished")
        }
        return CollectionSummary(**sums, failed={**self.failed, **later.failed}, finished=later.finished)


_JSON_NAMES = {"workloads": "subjects", "rounds": "visits", "resumed": "already"}
"""Fields of `CollectionSummary` that have another name in JSON."""


class Ledger:
    """Where the time of a collection goes, in seconds, added up visit by visit."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def add(self, one_round: Round) -> None:
        """Count what a visit tells of itself."""
        for reported in ("push_s", "load_s", "lost_s"):
            found = one_round.conditions.get(reported)
            self._seconds[reported] += found if isinstance(found, float) else 0.0
        self._seconds["inference_s"] += _inference_ns(one_round) / 1e9

    def columns(self, seconds: float, export_s: float) -> dict[str, float]:
        """The columns of `CollectionSummary` for a collection that took so long, and waited so long for artefacts."""
        found = self._seconds
        parts = {
            "inference_seconds": found["inference_s"],
            "export_seconds": export_s,
            "push_seconds": found["push_s"],
            "load_seconds": found["load_s"],
            "lost_seconds": found["lost_s"],
        }
        return {"seconds": seconds, **parts, "idle_seconds": max(seconds - sum(parts.values()), 0.0)}


def _inference_ns(one_round: Round) -> int:
    """Time of all runs of a visit; of the timed ones alone where the agent does not tell."""
    reported = one_round.conditions.get("inference_ns")
    return reported if isinstance(reported, int) else sum(one_round.wall_ns) + sum(one_round.reference_wall_ns)
