"""Rechecking the scale: whether a device still is as fast as it was when its target was measured."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from latkit.collect.collector import Collection, TimingSession
from latkit.devices import OnMessage
from latkit.errors import MeasurementConflict
from latkit.measurements import Store
from latkit.runtimes import Artefact
from latkit.targets import Target
from latkit.timing import (
    DRIFT,
    Baseline,
    Environment,
    TimingPlan,
    baseline_has_changed,
    establish_baseline,
    is_busy,
    relative_change,
    uses_cpu_time,
)

CHECK_PLAN = TimingPlan(rounds=1, round_s=0.05)
MAX_CHECKS = 4
"""So many visits of the reference at most, until one is as fast as it is known to be."""
PAUSE_S = 0.3


@dataclass(frozen=True, slots=True)
class BaselineCheck:
    """How the reference takes now, beside the scale that is kept."""

    baseline: Baseline
    moved: float
    """By which share it became slower in every visit (negative: faster); 0 where one was about as it was."""
    busy: bool
    changed: bool
    """Whether that is more than drift and other work on the device explain."""

    def __str__(self) -> str:
        saved_us = 1e6 * self.baseline.reference_s
        if abs(self.moved) <= DRIFT:
            return f"the reference takes {saved_us:.1f} µs as ever"
        where = ", while something else runs there" if self.busy else ""
        return f"the reference takes {self.moved:+.0%} beside the {saved_us:.1f} µs kept for the quiet device{where}"


def recheck(
    session: TimingSession, reference: Artefact, baseline: Baseline, target: Target, pause_s: float = PAUSE_S
) -> BaselineCheck:
    """Visit the reference until a visit is about as fast as the scale says, at most LOOKS times. Raises DeviceError."""
    rounds, use_cpu_time = [], uses_cpu_time(target)
    for _ in range(MAX_CHECKS):
        rounds.append(session.measure_round(reference, reference, CHECK_PLAN))
        if abs(relative_change(baseline, rounds, use_cpu_time)) <= DRIFT:
            break
        time.sleep(pause_s)
    moved = relative_change(baseline, rounds, use_cpu_time)
    return BaselineCheck(baseline, moved, is_busy(rounds), baseline_has_changed(baseline, rounds, use_cpu_time))


def with_baseline(
    collection: Collection, reference: Artefact, new: bool, on_message: OnMessage, pause_s: float = PAUSE_S
) -> Collection:
    """The collection on the scale of what was measured before under its setup, or on a new one.

    Raises MeasurementConflict where the device has come to another speed; `on_message` hears of a lesser change.
    """
    store, environment = collection.store, collection.environment()
    number = max(
        (known.baseline for known in store.environments() if replace(known, baseline=0) == environment), default=0
    )
    if new:
        return replace(collection, baseline=number + 1)
    collection, environment = replace(collection, baseline=number), replace(environment, baseline=number)
    baseline = ensure_baseline(store, environment)
    if baseline is None:
        return collection
    found = recheck(collection.session, reference, baseline, store.target, pause_s)
    if found.changed:
        raise MeasurementConflict(
            f"{store.target}: {found}: the device has changed (an update, its power mode, its cooling?), and what was "
            f"measured before would be mixed with what is measured now. If it is to stay so, measure anew with: "
            f"latkit collect {store.target} --space SPACE --new-scale"
        )
    if abs(found.moved) > DRIFT:
        on_message(f"{store.target}: {found}")
    return collection


def ensure_baseline(store: Store, environment: Environment) -> Baseline | None:
    """The scale of that setup: the one that is kept, or established now where none is, or a quieter one can be."""
    saved = store.baseline(environment)
    if saved is not None and saved.is_idle:
        return saved
    rounds = [
        one_round for known in store.measurements() if known.environment == environment for one_round in known.rounds
    ]
    found = establish_baseline(rounds)
    if found is None or (saved is not None and found.reference_s >= saved.reference_s):
        return saved
    store.save_baseline(environment, found)
    return found
