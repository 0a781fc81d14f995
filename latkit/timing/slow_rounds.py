"""Measurements without the rounds in which something disturbed the device."""

from __future__ import annotations

from dataclasses import replace

from latkit.timing.baseline import DRIFT
from latkit.timing.estimators import CONVERGENCE_ROUNDS, IDLE_TOLERANCE, LONG_RUN_S
from latkit.timing.measurement import Measurement
from latkit.timing.rounds import reference_min_s, round_min_s, uses_cpu_time


def without_slow_rounds(measurement: Measurement) -> Measurement | None:
    """Only the rounds in which the reference was about as fast as in the fastest one; None for a disturbed measurement.

    It is disturbed if fewer than three rounds are left, or if the reference was slower in all of them than drift
    explains. A short run suffers more than the reference from what disturbs both for a while: its ratio to the
    reference is too large in such a round, and a median over rounds is wrong once these are the majority. Long runs
    keep every round: the `level` estimator needs them to find how much they suffer.
    """
    use_cpu_time = uses_cpu_time(measurement.target)
    if min(round_min_s(one_round, use_cpu_time) for one_round in measurement.rounds) > LONG_RUN_S:
        return measurement
    references = [reference_min_s(one_round, use_cpu_time) for one_round in measurement.rounds]
    fastest_s = min(references)
    limit_s = fastest_s * (1 + IDLE_TOLERANCE)
    fast = [one for one, reference_s in zip(measurement.rounds, references, strict=True) if reference_s <= limit_s]
    is_slow = measurement.reference_s is not None and fastest_s > measurement.reference_s * (1 + DRIFT)
    if is_slow or len(fast) < min(CONVERGENCE_ROUNDS, measurement.plan.rounds):
        return None
    return replace(measurement, rounds=tuple(fast))
