"""The scale: what the reference takes on the quiet device, kept with a target.

So every day speaks in the same seconds. It is established once, from the quietest visits made so far, and looked at
again whenever the target is used. A device whose reference has moved further than drift and load explain is not the
device that was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latkit.errors import UsageError
from latkit.timing.estimators import quiet_reference_seconds
from latkit.timing.measurement import LAST_MOMENT_S, MAX_NS, Visit
from latkit.timing.visits import visit_reference_floor_s

ENOUGH_VISITS = 30
"""Fewer visits than this have not seen enough of a device's moods to know the quietest."""
QUIET_PREEMPTED = 0.05
"""A scale was established on a quiet device when at most this share of the runs was preempted."""
DRIFT = 0.15
"""A quiet device's reference moves by so much over minutes, and nobody can tell why."""
MOST_SLOWER = 0.5
"""Slower by more than this, in every visit and with nothing else running, is a change."""
MOST_FASTER = 0.2
"""Faster by more than this, in every visit, is a change: nothing makes a quiet device faster."""
BUSY_LOAD = 0.5
"""Load average from which on something else runs; while we measure, our own load of 1 comes on top."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The reference's latency on the quiet device, under one setup."""

    reference_s: float
    visits: int
    """From so many visits."""
    quiet: bool
    """Whether nothing else ran then; if something did, quieter visits later establish it anew."""
    established_at: float
    """Seconds since 1970 by the host's clock."""

    def __post_init__(self) -> None:
        if not (0 < self.reference_s <= MAX_NS / 1e9 and self.visits > 0 and 0 <= self.established_at < LAST_MOMENT_S):
            raise UsageError(f"expected a scale with positive numbers, but found {self}")


def establish_scale(visits: Sequence[Visit]) -> Scale | None:
    """The scale that these visits of one setup establish; None where they are too few."""
    if len(visits) < ENOUGH_VISITS:
        return None
    latest = max(visit.started_at for visit in visits)
    loads = [load for visit in visits if (load := _load(visit)) is not None]
    alone = not loads or float(np.median(loads)) < 1 + BUSY_LOAD
    quiet = alone and _preempted(visits) <= QUIET_PREEMPTED
    return Scale(quiet_reference_seconds(visits), len(visits), quiet, latest)


def moved_by(scale: Scale, visits: Sequence[Visit], alone: bool) -> float:
    """By which share the reference has become slower (or faster, negative) in every one of these visits; else 0."""
    moved = [visit_reference_floor_s(visit, alone) / scale.reference_s - 1 for visit in visits]
    return min(moved) if min(moved) > 0 else max(moved) if max(moved) < 0 else 0.0


def scale_has_changed(scale: Scale, visits: Sequence[Visit], alone: bool) -> bool:
    """Whether these visits show a device of another speed, beyond what drift and other work on it explain."""
    moved = moved_by(scale, visits, alone)
    if moved < 0:
        return scale.quiet and -moved > MOST_FASTER
    return moved > MOST_SLOWER and not is_busy(visits)


def is_busy(visits: Sequence[Visit]) -> bool:
    """Whether something else ran on the device: it preempted runs, or was told by the load before the visits."""
    load = _load(visits[0])
    return _preempted(visits) > QUIET_PREEMPTED or (load is not None and load >= BUSY_LOAD)


def _load(visit: Visit) -> float | None:
    """The load average before a visit; None where the device does not tell."""
    before = visit.conditions.get("before")
    load = before.get("load1") if isinstance(before, dict) else None
    return float(load) if isinstance(load, int | float) else None


def _preempted(visits: Sequence[Visit]) -> float:
    """Share of the subjects' runs that were preempted."""
    return float(np.mean([count > 0 for visit in visits for count in visit.preemptions]))
