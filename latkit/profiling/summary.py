"""The result of a collection, and where its time went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from latkit.timing import Round


@dataclass(frozen=True, slots=True)
class CollectionSummary:
    """The result of a collection."""

    workloads: int
    rounds: int
    """Rounds made now, including failed ones."""
    resumed: int
    """Rounds that were recorded before."""
    failed: Mapping[str, str]
    """The reason for each workload that could not be measured, by its title."""
    finished: bool
    """False if the time ran out first."""
    seconds: float
    """From beginning to end; the fields below add up to it."""
    inference_seconds: float
    """Total wall time of every run, of workloads and references, warm-up runs included."""
    export_seconds: float = 0.0
    """Waiting for artifacts; if they are exported while the device measures, only the remaining wait."""
    push_seconds: float = 0.0
    """Copying artifacts to the device."""
    load_seconds: float = 0.0
    """Loading models on the device, including reloads after unloading for lack of memory."""
    lost_seconds: float = 0.0
    """Between a fault and the next working session, including the round in flight."""
    idle_seconds: float = 0.0
    """Everything else, while the device does not run latkit's work: conditions, commits, communication, cooling."""

    def to_json(self) -> dict[str, Any]:
        """The summary as a JSON document, with the names that `--json` documents."""
        document = asdict(self)
        return {_JSON_NAMES.get(name, name): value for name, value in document.items()}

    def plus(self, later: CollectionSummary) -> CollectionSummary:
        """The sum of this collection and a later one of other workloads."""
        sums = {
            field.name: getattr(self, field.name) + getattr(later, field.name)
            for field in fields(self)
            if field.name not in ("failed", "finished")
        }
        return CollectionSummary(**sums, failed={**self.failed, **later.failed}, finished=later.finished)


_JSON_NAMES = {"workloads": "subjects", "rounds": "visits", "resumed": "already"}
"""Fields of `CollectionSummary` that have another name in JSON."""


class Ledger:
    """Where the time of a collection goes, in seconds, summed round by round."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def add(self, one_round: Round) -> None:
        """Add the times that a round reports."""
        for reported in ("push_s", "load_s", "lost_s"):
            found = one_round.conditions.get(reported)
            self._seconds[reported] += found if isinstance(found, float) else 0.0
        self._seconds["inference_s"] += _inference_ns(one_round) / 1e9

    def columns(self, seconds: float, export_s: float) -> dict[str, float]:
        """The columns of `CollectionSummary` for a collection's total time and its wait for artifacts."""
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
    """Time of all runs of a round; of the timed ones alone if the agent does not report it."""
    reported = one_round.conditions.get("inference_ns")
    return reported if isinstance(reported, int) else sum(one_round.wall_ns) + sum(one_round.reference_wall_ns)
