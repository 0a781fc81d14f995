"""From raw samples to a latency. The evidence for the choice of default stands in docs/measuring.md.

Noise on a processor is one-sided, it drifts over minutes, and what disturbs the subject disturbs the reference timed in
turn with it. So every estimator here reduces every visit to one number before it looks across visits; those by wall
time first set aside the runs in which the kernel counted a preemption.

The default, `matched`, is two estimators in one, because the length of a run decides what can be known of it. A short
run fits between two disturbances: some are not disturbed at all, and the fastest is what the device can do (`floor`). A
long run never is undisturbed: its fastest is a matter of luck, but how much it was disturbed shows in the reference
runs around it (`level`). Between them the share of `floor` falls from one to nothing around `LONG_RUN_S`. `steady` is
the same for a device whose speed moves in steps, of which `floor` may catch different ones for subject and reference;
`latkit.timing.estimator_selection` tells by the samples which of the two to take.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latkit.errors import NotMeasured, UsageError
from latkit.timing.measurement import Measurement, Round, TimingPlan
from latkit.timing.noise import widening
from latkit.timing.regression import level_in_references
from latkit.timing.rounds import reference_min_s, round_blocks, round_min_s, uses_cpu_time

Floats = NDArray[np.float64]
Draws = NDArray[np.int64]
"""Indices of visits, shape (draws, visits)."""

LONG_RUN_S = 4e-3
"""A run of this length counts half by its floor and half by its level."""

CONVERGENCE_ROUNDS = 3
"""How many of a subject's visits must agree on its floor."""

IDLE_TOLERANCE = 0.03
"""A device counts as quiet while its reference is at most this share slower than in its fastest visit."""

IDLE_QUANTILE = 0.1
"""Which quantile counts as undisturbed."""

RESAMPLES = 200

NEGLIGIBLE_ABOVE = 0.999
"""Where the floor's share is greater, nothing else is looked at."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A latency in seconds, measured or predicted, with the bounds of its 90 % interval.

    The bounds are None where nothing tells how far the latency is off, as of a table that gives no spread.
    """

    seconds: float
    low_s: float | None
    high_s: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both bounds in seconds; None where no interval is known."""
        return None if self.low_s is None or self.high_s is None else (self.low_s, self.high_s)

    def map(self, change: Callable[[float], float]) -> Estimate:
        """The estimate with the latency and its bounds changed alike."""
        low_s, high_s = (change(bound) for bound in self.interval) if self.interval else (None, None)
        return Estimate(change(self.seconds), low_s, high_s)


def resamples(rounds: int) -> Draws:
    """Draws of as many visits as there are, with replacement, for a bootstrap; the same every time."""
    return np.random.default_rng(0).integers(0, rounds, (RESAMPLES, rounds))


def clean_runs(one_round: Round) -> NDArray[np.bool_]:
    """Which runs nobody disturbed: those without a preemption, or all of them where every run had one."""
    undisturbed = np.asarray(one_round.preemptions) == 0
    return undisturbed if undisturbed.any() else np.ones_like(undisturbed)


def _quantile_s(nanoseconds: Sequence[int] | NDArray[np.int64], quantile: float) -> float:
    """A quantile of wall times, in seconds."""
    return float(np.quantile(np.asarray(nanoseconds, dtype=np.float64), quantile)) / 1e9


def reference_seconds(measurements: Iterable[Measurement]) -> float:
    """The reference's latency on the quiet device, in seconds, which turns ratios to the reference back into seconds.

    The one that is kept with the target, where all measurements carry the same (see `latkit.timing.baseline`); else the
    low decile, over all visits, of its fastest run. Raises NotMeasured where there is no visit.
    """
    given = tuple(measurements)
    saved = {measurement.reference_s for measurement in given}
    if len(saved) == 1 and (found := saved.pop()) is not None:
        return found
    return idle_reference_seconds(one_round for measurement in given for one_round in measurement.rounds)


def idle_reference_seconds(rounds: Iterable[Round]) -> float:
    """The low decile, over visits, of the reference's fastest run, in seconds. Raises NotMeasured without a visit."""
    fastest = [_quantile_s(one_round.reference_wall_ns, 0.0) for one_round in rounds]
    if not fastest:
        raise NotMeasured("no visit of the reference on this target can be used; run latkit collect, to its end")
    return float(np.quantile(fastest, IDLE_QUANTILE))


Estimator = Callable[[Measurement, float, Draws], Floats]
"""From a measurement, the reference's quiet latency in seconds and draws of visits to seconds, shape (draws,)."""


def _min(measurement: Measurement, reference_s: float, drawn: Draws) -> Floats:
    """Fastest run of all visits, in units of the fastest reference run of the whole measurement.

    Of a single thread's run counts the CPU time where it is less than the wall time: the rest was spent waiting for
    another process, and a network that takes longer than a scheduler's slice is never run without waiting on a busy
    machine.
    """
    use_cpu_time = uses_cpu_time(measurement.target)
    minima = np.array([round_min_s(one_round, use_cpu_time) for one_round in measurement.rounds])
    references = [reference_min_s(one_round, use_cpu_time) for one_round in measurement.rounds]
    fastest: Floats = minima[drawn].min(axis=-1)
    return fastest * (reference_s / min(references))


def _level(measurement: Measurement, reference_s: float, drawn: Draws) -> Floats:
    """A run while the device is quiet, by regression on the reference around it (see `latkit.timing.regression`)."""
    return reference_s * level_in_references(measurement.rounds, uses_cpu_time(measurement.target), drawn)


def _in_step(measurement: Measurement, reference_s: float, drawn: Draws) -> Floats:
    """Median over the visits of the fastest run of each, in units of the fastest reference run of the same visit."""
    use_cpu_time = uses_cpu_time(measurement.target)
    ratios = [
        round_min_s(one_round, use_cpu_time) / reference_min_s(one_round, use_cpu_time)
        for one_round in measurement.rounds
    ]
    return _across(np.array(ratios) * reference_s, 0.5, drawn)


def _with_level(short: Estimator) -> Estimator:
    """An estimator of short runs, and `level` of long ones, joined as a weighted geometric mean."""

    def seconds(measurement: Measurement, reference_s: float, drawn: Draws) -> Floats:
        shortly = short(measurement, reference_s, drawn)
        share = 1 / (1 + (shortly / LONG_RUN_S) ** 4)
        if share.min() > NEGLIGIBLE_ABOVE:
            return shortly
        joined: Floats = shortly**share * _level(measurement, reference_s, drawn) ** (1 - share)
        return joined

    return seconds


def _paired(measurement: Measurement, reference_s: float, drawn: Draws) -> Floats:
    """Median over the visits of the median run of each, in units of the reference around it."""
    use_cpu_time = uses_cpu_time(measurement.target)
    ratios = [float(np.median(np.divide(*round_blocks(one_round, use_cpu_time)))) for one_round in measurement.rounds]
    return _across(np.array(ratios) * reference_s, 0.5, drawn)


def _ratio(measurement: Measurement, reference_s: float, drawn: Draws) -> Floats:
    """Median over the visits of the median wall time of each, in units of that of the reference."""
    references = np.array([_quantile_s(one_round.reference_wall_ns, 0.5) for one_round in measurement.rounds])
    return _across(_wall_s(measurement, 0.5) / references * reference_s, 0.5, drawn)


def _wall(per_round: float, over_rounds: float) -> Estimator:
    """A quantile over the visits of a quantile of the wall times of each."""

    def seconds(measurement: Measurement, _reference_s: float, drawn: Draws) -> Floats:
        return _across(_wall_s(measurement, per_round), over_rounds, drawn)

    return seconds


def _wall_s(measurement: Measurement, quantile: float) -> Floats:
    """A quantile of the wall time of each visit's clean runs, in seconds, shape (visits,)."""
    return np.array([_quantile_s(np.asarray(v.wall_ns)[clean_runs(v)], quantile) for v in measurement.rounds])


def _across(values: Floats, quantile: float, drawn: Draws) -> Floats:
    joined: Floats = np.quantile(values[drawn], quantile, axis=-1)
    return joined


ESTIMATORS: dict[str, Estimator] = {
    "matched": _with_level(_min),
    "steady": _with_level(_in_step),
    "floor": _min,
    "level": _level,
    "paired": _paired,
    "ratio": _ratio,
    "minimum": _wall(0.0, 0.0),
    "low": _wall(IDLE_QUANTILE, 0.25),
    "median": _wall(0.5, 0.5),
}
"""By name. The first six are set beside the reference; the others are plain wall time."""

DEFAULT_ESTIMATOR = "matched"


def estimate(measurement: Measurement, reference_s: float, estimator: str = DEFAULT_ESTIMATOR) -> Estimate:
    """Latency of a measurement's subject, in seconds, with a 90 % interval: bootstrap over visits, widened by
    what they cannot show (see `latkit.timing.noise`).

    `reference_s` is the reference's latency on the quiet device. The bootstrap is seeded, so that the same samples
    always give the same answer. Raises UsageError for an unknown estimator and NotMeasured where there is no visit.
    """
    if estimator not in ESTIMATORS:
        raise UsageError(f"unknown estimator {estimator!r}; known estimators: {', '.join(ESTIMATORS)}")
    if not measurement.rounds:
        raise NotMeasured(f"{measurement.workload.title} on {measurement.target} has no visit yet")
    return _with_interval(ESTIMATORS[estimator], measurement, reference_s)


def _with_interval(estimator: Estimator, measurement: Measurement, reference_s: float) -> Estimate:
    rounds = len(measurement.rounds)
    seconds = float(estimator(measurement, reference_s, np.arange(rounds)[None])[0])
    low, high = np.quantile(estimator(measurement, reference_s, resamples(rounds)), [0.05, 0.95])
    below, above = (abs(math.log(seconds / float(bound))) for bound in (min(low, seconds), max(high, seconds)))
    unseen = widening(measurement)
    return Estimate(
        seconds, seconds * math.exp(-math.hypot(below, unseen)), seconds * math.exp(math.hypot(above, unseen))
    )


def has_converged(rounds: Sequence[Round], plan: TimingPlan, idle_reference_s: float, use_cpu_time: bool) -> bool:
    """Whether what the visits say is so narrow that another is not worth its time.

    A short subject's floor that only one visit touched may be luck or may still be far off; three that agree are a
    floor, unless the reference was slow in all of them: then they agree on what a disturbed device does. Of a long
    subject the standard error of its level counts.
    """
    if len(rounds) < plan.rounds:
        return False
    fastest = sorted(rounds, key=lambda one_round: round_min_s(one_round, use_cpu_time))[
        : min(CONVERGENCE_ROUNDS, plan.rounds)
    ]
    min_s = round_min_s(fastest[0], use_cpu_time)
    if min_s > LONG_RUN_S:
        levels = level_in_references(rounds, use_cpu_time, resamples(len(rounds)))
        return float(np.std(np.log(levels))) <= plan.agreement
    agree = round_min_s(fastest[-1], use_cpu_time) <= min_s * (1 + plan.agreement)
    reference_s = min(reference_min_s(one_round, use_cpu_time) for one_round in fastest)
    return agree and reference_s <= idle_reference_s * (1 + IDLE_TOLERANCE)
