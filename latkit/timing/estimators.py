"""From raw samples to a latency. The evidence for the choice of default stands in docs/measuring.md.

Noise on a processor is one-sided, it drifts over minutes, and what disturbs the subject disturbs the reference timed in
turn with it. So every estimator here first sets aside the runs in which the kernel counted a preemption, and reduces
every visit to one number before it looks across visits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latkit.errors import NotMeasured, UsageError
from latkit.timing.measurement import Measurement, Visit

Floats = NDArray[np.float64]

QUIET_QUANTILE = 0.1
"""Which quantile of a visit's runs, and of the visits' references, counts as undisturbed."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A latency in seconds, measured or predicted, with the bounds of its 90 % interval."""

    seconds: float
    low_s: float
    high_s: float

    def scaled(self, factor: float) -> Estimate:
        """The estimate times a positive factor."""
        return Estimate(self.seconds * factor, self.low_s * factor, self.high_s * factor)


def clean_runs(visit: Visit) -> NDArray[np.bool_]:
    """Which runs nobody disturbed: those without a preemption, or all of them where every run had one."""
    undisturbed = np.asarray(visit.preemptions) == 0
    return undisturbed if undisturbed.any() else np.ones_like(undisturbed)


def _quiet(nanoseconds: Sequence[int] | NDArray[np.int64], quantile: float) -> float:
    """The quantile of wall times, in seconds."""
    return float(np.quantile(np.asarray(nanoseconds, dtype=np.float64), quantile)) / 1e9


def visit_seconds(visit: Visit, quantile: float) -> float:
    """One visit's latency of the subject: a quantile of the wall time of its clean runs, in seconds."""
    return _quiet(np.asarray(visit.wall_ns)[clean_runs(visit)], quantile)


def visit_reference_seconds(visit: Visit, quantile: float = 0.5) -> float:
    """One visit's latency of the reference, in seconds."""
    return _quiet(visit.reference_wall_ns, quantile)


def reference_seconds(measurements: Iterable[Measurement]) -> float:
    """The reference's latency on the quiet device, in seconds: the low decile of its median over all visits.

    This is what turns ratios to the reference back into seconds. Raises NotMeasured where there is no visit.
    """
    medians = [visit_reference_seconds(visit) for measurement in measurements for visit in measurement.visits]
    if not medians:
        raise NotMeasured("no visit of the reference was measured on this target; run latkit collect first")
    return float(np.quantile(medians, QUIET_QUANTILE))


def _wall(measurement: Measurement, reference_s: float, quantile: float) -> Floats:  # noqa: ARG001
    return np.array([visit_seconds(visit, quantile) for visit in measurement.visits])


def _ratio(measurement: Measurement, reference_s: float, quantile: float) -> Floats:
    ratios = [visit_seconds(visit, quantile) / visit_reference_seconds(visit, quantile) for visit in measurement.visits]
    return np.array(ratios) * reference_s


def _centre(values: Floats) -> float:
    return float(np.median(values))


def _low(values: Floats) -> float:
    return float(np.quantile(values, 0.25))


PerVisit = Callable[[Measurement, float, float], Floats]

ESTIMATORS: dict[str, tuple[PerVisit, float, Callable[[Floats], float]]] = {
    "ratio": (_ratio, 0.5, _centre),
    "ratio-low": (_ratio, QUIET_QUANTILE, _centre),
    "minimum": (_wall, 0.0, lambda values: float(values.min())),
    "low": (_wall, QUIET_QUANTILE, _low),
    "median": (_wall, 0.5, _centre),
}
"""By name: how a visit becomes seconds, which quantile of its runs it takes, and how visits become one number."""

DEFAULT_ESTIMATOR = "ratio-low"


def estimate(measurement: Measurement, reference_s: float, estimator: str = DEFAULT_ESTIMATOR) -> Estimate:
    """Latency of a measurement's subject, in seconds, with a 90 % interval by bootstrap over visits.

    `reference_s` is the reference's latency on the quiet device. The bootstrap is seeded, so that the same samples
    always give the same answer. Raises UsageError for an unknown estimator and NotMeasured where there is no visit.
    """
    if estimator not in ESTIMATORS:
        raise UsageError(f"unknown estimator {estimator!r}; known estimators: {', '.join(ESTIMATORS)}")
    if not measurement.visits:
        raise NotMeasured(f"{measurement.subject.title} on {measurement.target} has no visit yet")
    per_visit, quantile, across = ESTIMATORS[estimator]
    values = per_visit(measurement, reference_s, quantile)
    rng = np.random.default_rng(0)
    drawn = values[rng.integers(0, len(values), (200, len(values)))]
    low, high = np.quantile([across(row) for row in drawn], [0.05, 0.95])
    seconds = across(values)
    return Estimate(seconds, min(float(low), seconds), max(float(high), seconds))
