"""The baseline: the reference's latency on the idle device, saved with a target.

It converts ratios to the reference into seconds that are comparable from day to day. It is established once, from the
fastest rounds measured so far, and checked whenever the target is used. If the reference has moved further than drift
and load explain, the device is not the one that was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from latkit.errors import UsageError
from latkit.timing.estimators import idle_reference_seconds
from latkit.timing.measurement import LAST_MOMENT_S, MAX_NS, Round
from latkit.timing.rounds import reference_min_s

MIN_ROUNDS = 30
"""Fewer rounds than this do not cover enough of a device's noise to find its idle state."""
MAX_IDLE_PREEMPTED = 0.05
"""A baseline counts as established on an idle device when at most this share of the runs was preempted."""
DRIFT = 0.15
"""The reference on an idle device moves by up to this share over minutes, without a known cause."""
MAX_SLOWER = 0.5
"""Slower by more than this, in every round and with nothing else running, is a change."""
MAX_FASTER = 0.2
"""Faster by more than this, in every round, is a change: nothing makes an idle device faster."""
BUSY_LOAD = 0.5
"""From this load average on, something else runs. During a measurement, latkit's own load of 1 is added."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The reference's latency on the idle device, in one environment."""

    reference_s: float
    rounds: Annotated[int, Field(alias="visits")]
    """Number of rounds that the baseline rests on."""
    is_idle: Annotated[bool, Field(alias="quiet")]
    """Whether the device was idle then. If not, later rounds on the idle device replace the baseline."""
    established_at: float
    """Seconds since 1970 by the host's clock."""

    def __post_init__(self) -> None:
        if not (0 < self.reference_s <= MAX_NS / 1e9 and self.rounds > 0 and 0 <= self.established_at < LAST_MOMENT_S):
            raise UsageError(f"expected a scale with positive numbers, but found {self}")


def establish_baseline(rounds: Sequence[Round]) -> Baseline | None:
    """The baseline from these rounds of one environment; None if there are too few."""
    if len(rounds) < MIN_ROUNDS:
        return None
    latest = max(one_round.started_at for one_round in rounds)
    loads = [load for one_round in rounds if (load := _load(one_round)) is not None]
    low_load = not loads or float(np.median(loads)) < 1 + BUSY_LOAD
    is_idle = low_load and _preempted(rounds) <= MAX_IDLE_PREEMPTED
    return Baseline(idle_reference_seconds(rounds), len(rounds), is_idle, latest)


def relative_change(baseline: Baseline, rounds: Sequence[Round], use_cpu_time: bool) -> float:
    """The share by which the reference became slower (negative: faster) in every one of these rounds; else 0."""
    moved = [reference_min_s(one_round, use_cpu_time) / baseline.reference_s - 1 for one_round in rounds]
    return min(moved) if min(moved) > 0 else max(moved) if max(moved) < 0 else 0.0


def baseline_has_changed(baseline: Baseline, rounds: Sequence[Round], use_cpu_time: bool) -> bool:
    """Whether these rounds show a device of another speed, beyond what drift and other load on it explain."""
    moved = relative_change(baseline, rounds, use_cpu_time)
    if moved < 0:
        return baseline.is_idle and -moved > MAX_FASTER
    return moved > MAX_SLOWER and not is_busy(rounds)


def is_busy(rounds: Sequence[Round]) -> bool:
    """Whether something else ran on the device, shown by preempted runs or by the load average before the rounds."""
    load = _load(rounds[0])
    return _preempted(rounds) > MAX_IDLE_PREEMPTED or (load is not None and load >= BUSY_LOAD)


def _load(one_round: Round) -> float | None:
    """The load average before a round; None if the device does not report it."""
    before = one_round.conditions.get("before")
    load = before.get("load1") if isinstance(before, dict) else None
    return float(load) if isinstance(load, int | float) else None


def _preempted(rounds: Sequence[Round]) -> float:
    """Share of the workloads' runs that were preempted."""
    return float(np.mean([count > 0 for one_round in rounds for count in one_round.preemptions]))
