"""From raw samples to a latency. The evidence for the choice of default stands in docs/measuring.md.

Noise on a processor is one-sided, it drifts over minutes, and what disturbs the subject disturbs the reference timed in
turn with it. So every estimator here reduces every visit to one number before it looks across visits; those by wall
time first set aside the runs in which the kernel counted a preemption.

The default, `matched`, is two estimators in one, because the length of a run decides what can be known of it. A short
run fits between two disturbances: some are not disturbed at all, and the fastest is what the device can do (`floor`). A
long run never is undisturbed: its fastest is a matter of luck, but it is disturbed as much as the reference runs around
it (`paired`). Between them the share of `floor` falls from one to nothing around `LONG_RUN_S`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latkit.errors import NotMeasured, UsageError
from latkit.timing.disturbance import widening
from latkit.timing.measurement import Measurement, TimingPlan, Visit
from latkit.timing.visits import runs_alone, visit_floor_s, visit_ratio, visit_reference_floor_s

Floats = NDArray[np.float64]

LONG_RUN_S = 4e-3
"""A run of this length counts half by its floor and half by its pairs; see docs/measuring.md for other lengths."""

SETTLING_VISITS = 3
"""How many of a subject's visits must agree on its floor."""

QUIET_REFERENCE = 0.03
"""A device counts as quiet while its reference is at most this share slower than in its fastest visit."""

QUIET_QUANTILE = 0.1
"""Which quantile counts as undisturbed."""

RESAMPLES = 200


@dataclass(frozen=True, slots=True)
class Estimate:
    """A latency in seconds, measured or predicted, with the bounds of its 90 % interval."""

    seconds: float
    low_s: float
    high_s: float


def clean_runs(visit: Visit) -> NDArray[np.bool_]:
    """Which runs nobody disturbed: those without a preemption, or all of them where every run had one."""
    undisturbed = np.asarray(visit.preemptions) == 0
    return undisturbed if undisturbed.any() else np.ones_like(undisturbed)


def _quantile_s(nanoseconds: Sequence[int] | NDArray[np.int64], quantile: float) -> float:
    """A quantile of wall times, in seconds."""
    return float(np.quantile(np.asarray(nanoseconds, dtype=np.float64), quantile)) / 1e9


def reference_seconds(measurements: Iterable[Measurement]) -> float:
    """The reference's latency on the quiet device, in seconds, which turns ratios to the reference back into seconds.

    The one that is kept with the target, where all measurements carry the same (see `latkit.timing.scale`); else the
    low decile, over all visits, of its fastest run. Raises NotMeasured where there is no visit.
    """
    given = tuple(measurements)
    kept = {measurement.reference_s for measurement in given}
    if len(kept) == 1 and (found := kept.pop()) is not None:
        return found
    return quiet_reference_seconds(visit for measurement in given for visit in measurement.visits)


def quiet_reference_seconds(visits: Iterable[Visit]) -> float:
    """The low decile, over visits, of the reference's fastest run, in seconds. Raises NotMeasured without a visit."""
    fastest = [_quantile_s(visit.reference_wall_ns, 0.0) for visit in visits]
    if not fastest:
        raise NotMeasured("no visit of the reference was measured on this target; run latkit collect first")
    return float(np.quantile(fastest, QUIET_QUANTILE))


def _floor(measurement: Measurement, reference_s: float) -> Floats:
    """Fastest run of each visit, in units of the fastest reference run of the whole measurement; shape (1, visits).

    Of a single thread's run counts the CPU time where it is less than the wall time: the rest was spent waiting for
    another process, and a network that takes longer than a scheduler's slice is never run without waiting on a busy
    machine.
    """
    alone = runs_alone(measurement.target)
    floors = np.array([[visit_floor_s(visit, alone) for visit in measurement.visits]])
    references = [visit_reference_floor_s(visit, alone) for visit in measurement.visits]
    return floors * (reference_s / min(references))


def _paired(measurement: Measurement, reference_s: float) -> Floats:
    """Typical run of each visit, in units of the reference around it; shape (1, visits)."""
    alone = runs_alone(measurement.target)
    return np.array([[visit_ratio(visit, alone) * reference_s for visit in measurement.visits]])


def _matched(measurement: Measurement, reference_s: float) -> Floats:
    """What `floor` and `paired` say of each visit; shape (2, visits)."""
    return np.concatenate([_floor(measurement, reference_s), _paired(measurement, reference_s)])


def _join_matched(values: Floats) -> Floats:
    """The two joined as a weighted geometric mean."""
    floor, paired = values[..., 0, :].min(axis=-1), np.median(values[..., 1, :], axis=-1)
    share = 1 / (1 + (floor / LONG_RUN_S) ** 4)
    joined: Floats = floor**share * paired ** (1 - share)
    return joined


def _wall(quantile: float) -> Callable[[Measurement, float], Floats]:
    """A quantile of the wall time of each visit's clean runs, in seconds, shape (1, visits)."""

    def per_visit(measurement: Measurement, _reference_s: float) -> Floats:
        runs = [_quantile_s(np.asarray(v.wall_ns)[clean_runs(v)], quantile) for v in measurement.visits]
        return np.array([runs])

    return per_visit


def _ratio(measurement: Measurement, reference_s: float) -> Floats:
    """Median wall time of each visit, in units of the median reference run of that visit; shape (1, visits)."""
    references = [_quantile_s(visit.reference_wall_ns, 0.5) for visit in measurement.visits]
    ratios: Floats = _wall(0.5)(measurement, reference_s) / np.array(references)
    return ratios * reference_s


def _across(quantile: float) -> Callable[[Floats], Floats]:
    def join(values: Floats) -> Floats:
        joined: Floats = np.quantile(values[..., 0, :], quantile, axis=-1)
        return joined

    return join


@dataclass(frozen=True, slots=True)
class Estimator:
    """How a visit becomes seconds, and how a measurement's visits become one number."""

    per_visit: Callable[[Measurement, float], Floats]
    """From a measurement and the reference's quiet latency in seconds to seconds, shape (parts, visits)."""
    join: Callable[[Floats], Floats]
    """From seconds, shape (..., parts, visits), to the answer, shape (...)."""


ESTIMATORS: dict[str, Estimator] = {
    "matched": Estimator(_matched, _join_matched),
    "floor": Estimator(_floor, _across(0.0)),
    "paired": Estimator(_paired, _across(0.5)),
    "ratio": Estimator(_ratio, _across(0.5)),
    "minimum": Estimator(_wall(0.0), _across(0.0)),
    "low": Estimator(_wall(QUIET_QUANTILE), _across(0.25)),
    "median": Estimator(_wall(0.5), _across(0.5)),
}
"""By name. The first four are set beside the reference; the others are plain wall time."""

DEFAULT_ESTIMATOR = "matched"


def estimate(measurement: Measurement, reference_s: float, estimator: str = DEFAULT_ESTIMATOR) -> Estimate:
    """Latency of a measurement's subject, in seconds, with a 90 % interval: bootstrap over visits, widened by
    what they cannot show (see `latkit.timing.disturbance`).

    `reference_s` is the reference's latency on the quiet device. The bootstrap is seeded, so that the same samples
    always give the same answer. Raises UsageError for an unknown estimator and NotMeasured where there is no visit.
    """
    if estimator not in ESTIMATORS:
        raise UsageError(f"unknown estimator {estimator!r}; known estimators: {', '.join(ESTIMATORS)}")
    if not measurement.visits:
        raise NotMeasured(f"{measurement.subject.title} on {measurement.target} has no visit yet")
    return _with_interval(ESTIMATORS[estimator], measurement, reference_s)


def _with_interval(method: Estimator, measurement: Measurement, reference_s: float) -> Estimate:
    values = method.per_visit(measurement, reference_s)  # (parts, visits)
    visits = values.shape[-1]
    drawn = np.random.default_rng(0).integers(0, visits, (RESAMPLES, visits))
    low, high = np.quantile(method.join(np.moveaxis(values[:, drawn], 0, 1)), [0.05, 0.95])
    seconds = float(method.join(values))
    below, above = (abs(math.log(seconds / float(bound))) for bound in (min(low, seconds), max(high, seconds)))
    unseen = widening(measurement)
    return Estimate(
        seconds, seconds * math.exp(-math.hypot(below, unseen)), seconds * math.exp(math.hypot(above, unseen))
    )


def is_settled(visits: Sequence[Visit], plan: TimingPlan, quiet_reference_s: float, alone: bool) -> bool:
    """Whether what the visits say is so narrow that another is not worth its time.

    A short subject's floor that only one visit touched may be luck or may still be far off; three that agree are a
    floor, unless the reference was slow in all of them: then they agree on what a disturbed device does. Of a long
    subject the standard error of the median over the visits counts.
    """
    if len(visits) < plan.visits:
        return False
    fastest = sorted(visits, key=lambda visit: visit_floor_s(visit, alone))[: min(SETTLING_VISITS, plan.visits)]
    least_s = visit_floor_s(fastest[0], alone)
    if least_s > LONG_RUN_S:
        return _median_error([visit_ratio(visit, alone) for visit in visits]) <= plan.agreement
    agree = visit_floor_s(fastest[-1], alone) <= least_s * (1 + plan.agreement)
    reference_s = min(visit_reference_floor_s(visit, alone) for visit in fastest)
    return agree and reference_s <= quiet_reference_s * (1 + QUIET_REFERENCE)


def _median_error(values: Sequence[float]) -> float:
    """Standard error of the median, as a share of it, from the median of the absolute deviations."""
    middle = float(np.median(values))
    deviation = 1.4826 * float(np.median(np.abs(np.asarray(values) - middle)))
    return 1.2533 * deviation / (middle * math.sqrt(len(values)))
