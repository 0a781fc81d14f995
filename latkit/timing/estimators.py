"""Estimates a latency from raw samples. See docs/concepts/measuring.md for the evidence behind the default.

Noise on a processor is one-sided and drifts over minutes. What disturbs the workload also disturbs the reference that
is timed alternately with it. So every estimator here first reduces each round to one number, and then combines rounds.
Estimators based on wall time first drop the runs in which the kernel counted a preemption.

The default, `matched`, combines two estimators, because the length of a run decides what is known about it. A short run
fits between two disturbances: some runs are undisturbed, and the fastest is the device's latency (`min`). A long run
is always disturbed: its fastest is a matter of luck, but the reference runs around it show how much it was disturbed
(`level`). The weight of `min` falls from one to zero around `LONG_RUN_S`. `steady` does the same for a device whose
speed moves in steps, where the fastest runs of workload and reference may come from different steps.
`latkit.timing.estimator_selection` selects one of the two from the samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from latkit._io.arrays import Bools, Floats, Integers
from latkit.errors import NotMeasured, UsageError
from latkit.timing.measurement import Measurement, Round, TimingPlan
from latkit.timing.noise import widening
from latkit.timing.regression import level_in_references
from latkit.timing.rounds import reference_min_s, round_blocks, round_min_s, uses_cpu_time

Draws = Integers
"""Indices of rounds, shape (draws, rounds)."""

LONG_RUN_S = 4e-3
"""For a run of this length, minimum and level have equal weight."""

CONVERGENCE_ROUNDS = 3
"""Number of a workload's rounds that must agree on its minimum."""

IDLE_TOLERANCE = 0.03
"""A device counts as idle while its reference is at most this share slower than in its fastest round."""

IDLE_QUANTILE = 0.1
"""The quantile that counts as undisturbed."""

RESAMPLES = 200

NEGLIGIBLE_ABOVE = 0.999
"""If the weight of the minimum exceeds this, the level is not computed."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A latency in seconds, measured or predicted, with the bounds of its 90 % interval.

    The bounds are None if the error is unknown, as for a table without spread.
    """

    seconds: float
    low_s: float | None
    high_s: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both bounds in seconds; None if no interval is known."""
        return None if self.low_s is None or self.high_s is None else (self.low_s, self.high_s)

    def map(self, change: Callable[[float], float]) -> Estimate:
        """The estimate with the latency and both bounds changed in the same way."""
        low_s, high_s = (change(bound) for bound in self.interval) if self.interval else (None, None)
        return Estimate(change(self.seconds), low_s, high_s)


def resamples(rounds: int) -> Draws:
    """Bootstrap draws of as many rounds as there are, with replacement. They are the same on every call."""
    return np.random.default_rng(0).integers(0, rounds, (RESAMPLES, rounds))


def clean_runs(one_round: Round) -> Bools:
    """Selects the undisturbed runs: those without a preemption, or all runs if every run was preempted."""
    undisturbed = np.asarray(one_round.preemptions) == 0
    return undisturbed if undisturbed.any() else np.ones_like(undisturbed)


def _quantile_s(nanoseconds: Sequence[int] | Integers, quantile: float) -> float:
    """A quantile of wall times, in seconds."""
    return float(np.quantile(np.asarray(nanoseconds, dtype=np.float64), quantile)) / 1e9


def reference_seconds(measurements: Iterable[Measurement]) -> float:
    """The reference's latency on the idle device, in seconds. It converts ratios to the reference into seconds.

    This is the baseline saved with the target if all measurements have the same one (see `latkit.timing.baseline`);
    otherwise the low decile, over all rounds, of the reference's fastest run. Raises NotMeasured if there is no round.
    """
    given = tuple(measurements)
    saved = {measurement.reference_s for measurement in given}
    if len(saved) == 1 and (found := saved.pop()) is not None:
        return found
    return idle_reference_seconds(one_round for measurement in given for one_round in measurement.rounds)


def idle_reference_seconds(rounds: Iterable[Round]) -> float:
    """The low decile, over rounds, of the reference's fastest run, in seconds. Raises NotMeasured without a round."""
    fastest = [_quantile_s(one_round.reference_wall_ns, 0.0) for one_round in rounds]
    if not fastest:
        raise NotMeasured("no round of the reference on this target can be used; run latkit collect, to its end")
    return float(np.quantile(fastest, IDLE_QUANTILE))


Estimator = Callable[[Measurement, float, Draws], Floats]
"""Maps a measurement, the reference's idle latency in seconds and draws of rounds to seconds, shape (draws,)."""


def _min(measurement: Measurement, reference_s: float, drawn: Draws) -> Floats:
    """Fastest run of all rounds, in units of the fastest reference run of the whole measurement.

    For a single thread, a run's CPU time is used if it is less than the wall time. The rest was spent waiting for other
    processes: on a busy machine, a network that takes longer than a scheduler's time slice never runs without waiting.
    """
    use_cpu_time = uses_cpu_time(measurement.target)
    minima = np.array([round_min_s(one_round, use_cpu_time) for one_round in measurement.rounds])
    references = [reference_min_s(one_round, use_cpu_time) for one_round in measurement.rounds]
    fastest: Floats = minima[drawn].min(axis=-1)
    return fastest * (reference_s / min(references))


def _level(measurement: Measurement, reference_s: float, drawn: Draws) -> Floats:
    """A run while the device is idle, by regression on the reference around it (see `latkit.timing.regression`)."""
    return reference_s * level_in_references(measurement.rounds, uses_cpu_time(measurement.target), drawn)


def _in_step(measurement: Measurement, reference_s: float, drawn: Draws) -> Floats:
    """Median over the rounds of each round's fastest run, in units of the fastest reference run of the same round."""
    use_cpu_time = uses_cpu_time(measurement.target)
    ratios = [
        round_min_s(one_round, use_cpu_time) / reference_min_s(one_round, use_cpu_time)
        for one_round in measurement.rounds
    ]
    return _across(np.array(ratios) * reference_s, 0.5, drawn)


def _with_level(short: Estimator) -> Estimator:
    """An estimator of short runs and `level` for long ones, combined as a weighted geometric mean."""

    def seconds(measurement: Measurement, reference_s: float, drawn: Draws) -> Floats:
        shortly = short(measurement, reference_s, drawn)
        share = 1 / (1 + (shortly / LONG_RUN_S) ** 4)
        if share.min() > NEGLIGIBLE_ABOVE:
            return shortly
        joined: Floats = shortly**share * _level(measurement, reference_s, drawn) ** (1 - share)
        return joined

    return seconds


def _paired(measurement: Measurement, reference_s: float, drawn: Draws) -> Floats:
    """Median over the rounds of each round's median run, in units of the reference around it."""
    use_cpu_time = uses_cpu_time(measurement.target)
    ratios = [float(np.median(np.divide(*round_blocks(one_round, use_cpu_time)))) for one_round in measurement.rounds]
    return _across(np.array(ratios) * reference_s, 0.5, drawn)


def _ratio(measurement: Measurement, reference_s: float, drawn: Draws) -> Floats:
    """Median over the rounds of each round's median wall time, in units of the reference's median."""
    references = np.array([_quantile_s(one_round.reference_wall_ns, 0.5) for one_round in measurement.rounds])
    return _across(_wall_s(measurement, 0.5) / references * reference_s, 0.5, drawn)


def _wall(per_round: float, over_rounds: float) -> Estimator:
    """A quantile over the rounds of a quantile of each round's wall times."""

    def seconds(measurement: Measurement, _reference_s: float, drawn: Draws) -> Floats:
        return _across(_wall_s(measurement, per_round), over_rounds, drawn)

    return seconds


def _wall_s(measurement: Measurement, quantile: float) -> Floats:
    """A quantile of the wall time of each round's clean runs, in seconds, shape (rounds,)."""
    return np.array([_quantile_s(np.asarray(v.wall_ns)[clean_runs(v)], quantile) for v in measurement.rounds])


def _across(values: Floats, quantile: float, drawn: Draws) -> Floats:
    joined: Floats = np.quantile(values[drawn], quantile, axis=-1)
    return joined


ESTIMATORS: dict[str, Estimator] = {
    "matched": _with_level(_min),
    "steady": _with_level(_in_step),
    "min": _min,
    "level": _level,
    "paired": _paired,
    "ratio": _ratio,
    "wall_min": _wall(0.0, 0.0),
    "low": _wall(IDLE_QUANTILE, 0.25),
    "median": _wall(0.5, 0.5),
}
"""Estimators by name. The first six are relative to the reference; the others are plain wall time."""

DEFAULT_ESTIMATOR = "matched"

OLD_NAMES = {"floor": "min", "minimum": "wall_min"}
"""Estimators by the names that version 0.1 had for them: they stand in its files, and may be requested."""


def estimator_name(name: str) -> str:
    """Today's name of an estimator that a file or a person names; an unknown name is returned as it is."""
    return OLD_NAMES.get(name, name)


def estimate(measurement: Measurement, reference_s: float, estimator: str = DEFAULT_ESTIMATOR) -> Estimate:
    """Latency of a measurement's workload, in seconds, with a 90 % interval: a bootstrap over rounds, widened by the
    variation between measurements (see `latkit.timing.noise`).

    `reference_s` is the reference's latency on the idle device. The bootstrap is seeded, so that the same samples
    always give the same result. Raises UsageError for an unknown estimator and NotMeasured if there is no round.
    """
    name = estimator_name(estimator)
    if name not in ESTIMATORS:
        raise UsageError(f"unknown estimator {estimator!r}; known estimators: {', '.join(ESTIMATORS)}")
    if not measurement.rounds:
        raise NotMeasured(f"{measurement.workload.title} on {measurement.target} has no round yet")
    return _with_interval(ESTIMATORS[name], measurement, reference_s)


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
    """Whether the estimate has converged, so that another round is not worth its time.

    A short workload has converged when its three fastest rounds agree; a minimum that a single round reached may be
    luck. It has not converged if the reference was slow in all three, because they then agree on a disturbed device. A
    long workload has converged when the standard error of its level is small.
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
