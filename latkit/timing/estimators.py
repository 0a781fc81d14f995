"""From raw samples to a latency. The evidence for the choice of default stands in docs/measuring.md.

Noise on a processor is one-sided, it drifts over minutes, and what disturbs the subject disturbs the reference timed in
turn with it. So every estimator here reduces every visit to one number before it looks across visits; those by wall
time first set aside the runs in which the kernel counted a preemption.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latkit.errors import NotMeasured, UsageError
from latkit.targets import Target
from latkit.timing.measurement import Measurement, TimingPlan, Visit

Floats = NDArray[np.float64]

CPU_RUNTIMES = ("onnxruntime", "tflite", "torch")
"""Runtimes whose CPU time is the time of the computation; a GPU computes while the CPU waits."""

SETTLING_VISITS = 3
"""How many of a subject's visits must agree on its floor."""

QUIET_REFERENCE = 0.03
"""A device counts as quiet while its reference is at most this share slower than in its fastest visit."""

QUIET_QUANTILE = 0.1
"""Which quantile counts as undisturbed."""


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
    """The reference's latency on the quiet device, in seconds: the low decile, over all visits, of its fastest run.

    This is what turns ratios to the reference back into seconds. Raises NotMeasured where there is no visit.
    """
    fastest = [
        _quantile_s(visit.reference_wall_ns, 0.0) for measurement in measurements for visit in measurement.visits
    ]
    if not fastest:
        raise NotMeasured("no visit of the reference was measured on this target; run latkit collect first")
    return float(np.quantile(fastest, QUIET_QUANTILE))


def _floor(measurement: Measurement, reference_s: float) -> Floats:
    """Fastest run of each visit, in units of the fastest reference run of the whole measurement.

    Of a single thread's run counts the CPU time where it is less than the wall time: the rest was spent waiting for
    another process, and a network that takes longer than a scheduler's slice is never run without waiting on a busy
    machine.
    """
    alone = runs_alone(measurement.target)
    floors = np.array([visit_floor_s(visit, alone) for visit in measurement.visits])
    references = [visit_reference_floor_s(visit, alone) for visit in measurement.visits]
    return floors * (reference_s / min(references))


def runs_alone(target: Target) -> bool:
    """Whether the CPU time of a run on this target is that of its computation: one thread, on a processor."""
    return target.threads == 1 and target.runtime in CPU_RUNTIMES


def visit_floor_s(visit: Visit, alone: bool) -> float:
    """A visit's fastest run, in seconds; by CPU time where that is less and the run's own (`runs_alone`)."""
    return _fastest_s(visit.wall_ns, visit.cpu_ns if alone else ())


def visit_reference_floor_s(visit: Visit, alone: bool) -> float:
    """The same of a visit's reference, in seconds."""
    return _fastest_s(visit.reference_wall_ns, visit.reference_cpu_ns if alone else ())


def is_settled(visits: Sequence[Visit], plan: TimingPlan, quiet_reference_s: float, alone: bool) -> bool:
    """Whether the fastest visits agree so well, on a quiet device, that another is not worth its time.

    A floor that only one visit touched may be luck or may still be far off; three that agree are a floor. If the
    reference was slow in all of them, they agree on what a disturbed device does.
    """
    if len(visits) < plan.visits:
        return False
    fastest = sorted(visits, key=lambda visit: visit_floor_s(visit, alone))[: min(SETTLING_VISITS, plan.visits)]
    agree = visit_floor_s(fastest[-1], alone) <= visit_floor_s(fastest[0], alone) * (1 + plan.agreement)
    reference_s = min(visit_reference_floor_s(visit, alone) for visit in fastest)
    return agree and reference_s <= quiet_reference_s * (1 + QUIET_REFERENCE)


def _fastest_s(wall_ns: Sequence[int], cpu_ns: Sequence[int]) -> float:
    """The shortest wall time, or the second shortest CPU time where that is less, in seconds.

    Once in some hundred thousand runs a kernel's CPU time falls far short of what any run takes, which would be the
    floor of all if the shortest counted; and one that counts in ticks gives none at all for short runs.
    """
    told = sorted(ns for ns in cpu_ns if ns > 0)
    return min([min(wall_ns), *told[1:2]]) / 1e9


def _ratio(measurement: Measurement, reference_s: float) -> Floats:
    """Median run of each visit, in units of the median reference run of that visit."""
    references = [_quantile_s(visit.reference_wall_ns, 0.5) for visit in measurement.visits]
    ratios: Floats = _wall_s(measurement, 0.5) / np.array(references)
    return ratios * reference_s


def _wall_s(measurement: Measurement, quantile: float) -> Floats:
    """A quantile of the wall time of each visit's clean runs, in seconds, shape (visits,)."""
    return np.array(
        [_quantile_s(np.asarray(visit.wall_ns)[clean_runs(visit)], quantile) for visit in measurement.visits]
    )


@dataclass(frozen=True, slots=True)
class Estimator:
    """How a visit becomes seconds, and how a measurement's visits become one number."""

    per_visit: Callable[[Measurement, float], Floats]
    """From a measurement and the reference's quiet latency in seconds to seconds, one per visit."""
    quantile: float
    """Which quantile of the visits is the answer."""


ESTIMATORS: dict[str, Estimator] = {
    "floor": Estimator(_floor, 0.0),
    "ratio": Estimator(_ratio, 0.5),
    "minimum": Estimator(lambda measurement, _: _wall_s(measurement, 0.0), 0.0),
    "low": Estimator(lambda measurement, _: _wall_s(measurement, QUIET_QUANTILE), 0.25),
    "median": Estimator(lambda measurement, _: _wall_s(measurement, 0.5), 0.5),
}
"""By name. `floor` and `ratio` cancel slow changes of the device's speed; the others are plain wall time."""

DEFAULT_ESTIMATOR = "floor"


def estimate(measurement: Measurement, reference_s: float, estimator: str = DEFAULT_ESTIMATOR) -> Estimate:
    """Latency of a measurement's subject, in seconds, with a 90 % interval by bootstrap over visits.

    `reference_s` is the reference's latency on the quiet device. The bootstrap is seeded, so that the same samples
    always give the same answer. Raises UsageError for an unknown estimator and NotMeasured where there is no visit.
    """
    if estimator not in ESTIMATORS:
        raise UsageError(f"unknown estimator {estimator!r}; known estimators: {', '.join(ESTIMATORS)}")
    if not measurement.visits:
        raise NotMeasured(f"{measurement.subject.title} on {measurement.target} has no visit yet")
    method = ESTIMATORS[estimator]
    values = method.per_visit(measurement, reference_s)
    drawn = values[np.random.default_rng(0).integers(0, len(values), (200, len(values)))]
    low, high = np.quantile(np.quantile(drawn, method.quantile, axis=1), [0.05, 0.95])
    seconds = float(np.quantile(values, method.quantile))
    return Estimate(seconds, min(float(low), seconds), max(float(high), seconds))
