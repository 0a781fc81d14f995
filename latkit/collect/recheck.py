"""Rechecking the scale: whether a device still is as fast as it was when its target was measured."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from latkit.collect.collection import Collection, VisitingSession
from latkit.devices import Tell
from latkit.errors import MeasurementConflict
from latkit.measurements import Store
from latkit.runtimes import Artefact
from latkit.targets import Target
from latkit.timing import (
    DRIFT,
    Scale,
    Setup,
    TimingPlan,
    establish_scale,
    is_busy,
    moved_by,
    runs_alone,
    scale_has_changed,
)

LOOK = TimingPlan(visits=1, visit_s=0.05)
LOOKS = 4
"""So many visits of the reference at most, until one is as fast as it is known to be."""
PAUSE_S = 0.3


@dataclass(frozen=True, slots=True)
class Recheck:
    """How the reference takes now, beside the scale that is kept."""

    scale: Scale
    moved: float
    """By which share it became slower in every visit (negative: faster); 0 where one was about as it was."""
    busy: bool
    changed: bool
    """Whether that is more than drift and other work on the device explain."""

    def __str__(self) -> str:
        kept_us = 1e6 * self.scale.reference_s
        if abs(self.moved) <= DRIFT:
            return f"the reference takes {kept_us:.1f} µs as ever"
        where = ", while something else runs there" if self.busy else ""
        return f"the reference takes {self.moved:+.0%} beside the {kept_us:.1f} µs kept for the quiet device{where}"


def recheck(
    session: VisitingSession, reference: Artefact, scale: Scale, target: Target, pause_s: float = PAUSE_S
) -> Recheck:
    """Visit the reference until a visit is about as fast as the scale says, at most LOOKS times. Raises DeviceError."""
    visits, alone = [], runs_alone(target)
    for _ in range(LOOKS):
        visits.append(session.visit(reference, reference, LOOK))
        if abs(moved_by(scale, visits, alone)) <= DRIFT:
            break
        time.sleep(pause_s)
    moved = moved_by(scale, visits, alone)
    return Recheck(scale, moved, is_busy(visits), scale_has_changed(scale, visits, alone))


def on_scale(
    collection: Collection, reference: Artefact, new: bool, tell: Tell, pause_s: float = PAUSE_S
) -> Collection:
    """The collection on the scale of what was measured before under its setup, or on a new one.

    Raises MeasurementConflict where the device has come to another speed; `tell` hears of a lesser change.
    """
    store, setup = collection.store, collection.setup()
    number = max((known.scale for known in store.setups() if replace(known, scale=0) == setup), default=0)
    if new:
        return replace(collection, scale=number + 1)
    collection, setup = replace(collection, scale=number), replace(setup, scale=number)
    scale = keep_scale(store, setup)
    if scale is None:
        return collection
    found = recheck(collection.session, reference, scale, store.target, pause_s)
    if found.changed:
        raise MeasurementConflict(
            f"{store.target}: {found}: the device has changed (an update, its power mode, its cooling?), and what was "
            f"measured before would be mixed with what is measured now. If it is to stay so, measure anew with: "
            f"latkit collect {store.target} --space SPACE --new-scale"
        )
    if abs(found.moved) > DRIFT:
        tell(f"{store.target}: {found}")
    return collection


def keep_scale(store: Store, setup: Setup) -> Scale | None:
    """The scale of that setup: the one that is kept, or established now where none is, or a quieter one can be."""
    kept = store.scale(setup)
    if kept is not None and kept.quiet:
        return kept
    visits = [visit for known in store.measurements() if known.setup == setup for visit in known.visits]
    found = establish_scale(visits)
    if found is None or (kept is not None and found.reference_s >= kept.reference_s):
        return kept
    store.keep_scale(setup, found)
    return found
