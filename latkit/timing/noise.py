"""Noise: other activity on the device during a measurement, and how far it spreads the estimate."""

from __future__ import annotations

import math

import numpy as np

from latkit._io.arrays import Bools, Integers
from latkit.timing.measurement import Measurement
from latkit.timing.rounds import uses_cpu_time

MAX_NOISY_SHARE = 0.5
"""A measurement is contended when more than this share of its runs was disturbed."""
WAITING_GAP = 0.05
"""A single thread waited if its CPU time falls short of the wall time by more than this share."""
DRIFTING_SHARE = 0.1
"""The device drifted when the reference minimum of the slowest round exceeds that of the fastest by more than this
share.
"""

UNPINNED_WIDENING = 0.005
DRIFTING_WIDENING = 0.01
CONTENDED_WIDENING = 0.01
"""Relative half-widths that the rounds of one measurement do not show; see docs/concepts/measuring.md."""

Nanoseconds = Integers


def preempted(measurement: Measurement) -> Bools:
    """Selects the runs that the kernel preempted, shape (runs of all rounds,)."""
    return np.array([count > 0 for one_round in measurement.rounds for count in one_round.preemptions])


def preempted_share(measurement: Measurement) -> float:
    """Share of runs during which the kernel preempted the agent, 0 to 1."""
    return float(np.mean(preempted(measurement)))


def waited(measurement: Measurement) -> Bools:
    """Selects the runs of a single thread that spent time waiting, shape (runs of all rounds,). All false on other
    targets.
    """
    wall, cpu = run_times(measurement)
    # a kernel that counts CPU time in ticks reports none for short runs: such a reading is ignored
    gap: Bools = (cpu > 0) & (wall - cpu > WAITING_GAP * wall)
    return gap if uses_cpu_time(measurement.target) else np.zeros_like(gap)


def noisy_share(measurement: Measurement) -> float:
    """Share of runs that were preempted or waited, 0 to 1."""
    return float(np.mean(preempted(measurement) | waited(measurement)))


def reference_drift(measurement: Measurement) -> float:
    """The share by which the reference's fastest run was slower in the slowest round than in the fastest."""
    use_cpu_time = uses_cpu_time(measurement.target)
    minima = [
        min(
            ns for ns in (*one_round.reference_wall_ns, *(one_round.reference_cpu_ns if use_cpu_time else ())) if ns > 0
        )
        for one_round in measurement.rounds
    ]
    return max(minima) / min(minima) - 1 if minima else 0.0


def is_unpinned(measurement: Measurement) -> bool:
    """Whether the agent was free to move between cores."""
    return measurement.environment.affinity == "unpinned"


def widening(measurement: Measurement) -> float:
    """Half-width that the interval of a measurement's rounds does not show, relative to its latency.

    The bootstrap over rounds covers how the rounds differ. It does not cover how this measurement differs from the next
    one, made on other cores and with other noise on the device.
    """
    widths = (
        UNPINNED_WIDENING * is_unpinned(measurement),
        DRIFTING_WIDENING * (reference_drift(measurement) > DRIFTING_SHARE),
        CONTENDED_WIDENING * (noisy_share(measurement) > MAX_NOISY_SHARE),
    )
    return math.hypot(*widths)


def run_times(measurement: Measurement) -> tuple[Nanoseconds, Nanoseconds]:
    """Wall and CPU time of every run, in nanoseconds."""
    wall = [ns for one_round in measurement.rounds for ns in one_round.wall_ns]
    cpu = [ns for one_round in measurement.rounds for ns in one_round.cpu_ns]
    return np.array(wall, dtype=np.int64), np.array(cpu, dtype=np.int64)
