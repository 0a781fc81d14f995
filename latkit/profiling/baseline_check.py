"""Checks the baseline: whether a device still is as fast as when its target was measured."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from latkit.devices import OnMessage
from latkit.errors import MeasurementConflict
from latkit.measurements import Store
from latkit.profiling.collector import Collection, TimingSession
from latkit.runtimes import Artifact
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
"""Maximum number of rounds of the reference, until one matches the baseline."""
PAUSE_S = 0.3


@dataclass(frozen=True, slots=True)
class BaselineCheck:
    """The reference's latency now, and the saved baseline."""

    baseline: Baseline
    moved: float
    """The share by which it became slower in every round (negative: faster); 0 if one round matched."""
    busy: bool
    changed: bool
    """Whether the shift exceeds what drift and other load on the device explain."""

    def __str__(self) -> str:
        saved_us = 1e6 * self.baseline.reference_s
        if abs(self.moved) <= DRIFT:
            return f"the reference takes {saved_us:.1f} µs, as before"
        where = ", while something else runs there" if self.busy else ""
        return f"the reference takes {self.moved:+.0%} beside the {saved_us:.1f} µs saved for the idle device{where}"


def recheck(
    session: TimingSession, reference: Artifact, baseline: Baseline, target: Target, pause_s: float = PAUSE_S
) -> BaselineCheck:
    """Time the reference until a round matches the baseline, at most `MAX_CHECKS` times. Raises DeviceError."""
    rounds, use_cpu_time = [], uses_cpu_time(target)
    for _ in range(MAX_CHECKS):
        rounds.append(session.measure_round(reference, reference, CHECK_PLAN))
        if abs(relative_change(baseline, rounds, use_cpu_time)) <= DRIFT:
            break
        time.sleep(pause_s)
    moved = relative_change(baseline, rounds, use_cpu_time)
    return BaselineCheck(baseline, moved, is_busy(rounds), baseline_has_changed(baseline, rounds, use_cpu_time))


def with_baseline(
    collection: Collection, reference: Artifact, new: bool, on_message: OnMessage, pause_s: float = PAUSE_S
) -> Collection:
    """The collection with the saved baseline of its environment, or a new one.

    Raises MeasurementConflict if the device has changed its speed; `on_message` receives smaller changes.
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
            f"latkit collect space {store.target} --space SPACE --rebaseline"
        )
    if abs(found.moved) > DRIFT:
        on_message(f"{store.target}: {found}")
    return collection


def ensure_baseline(store: Store, environment: Environment) -> Baseline | None:
    """The baseline of that environment: established now if none is saved, and replaced by a lower one
    if provisional.
    """
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
