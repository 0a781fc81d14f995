"""Timing plans, raw samples and how a latency is estimated from them."""

from latkit.timing.baseline import DRIFT, Baseline, baseline_has_changed, establish_baseline, is_busy, relative_change
from latkit.timing.estimator_selection import select_estimator
from latkit.timing.estimators import (
    DEFAULT_ESTIMATOR,
    ESTIMATORS,
    Estimate,
    estimate,
    estimator_name,
    has_converged,
    reference_seconds,
)
from latkit.timing.measurement import FITTED, Environment, Measurement, Role, Round, TimingPlan, Workload
from latkit.timing.reference import REFERENCE
from latkit.timing.rounds import reference_min_s, round_min_s, uses_cpu_time
from latkit.timing.slow_rounds import without_slow_rounds

__all__ = [
    "DEFAULT_ESTIMATOR",
    "DRIFT",
    "ESTIMATORS",
    "FITTED",
    "REFERENCE",
    "Baseline",
    "Environment",
    "Estimate",
    "Measurement",
    "Role",
    "Round",
    "TimingPlan",
    "Workload",
    "baseline_has_changed",
    "establish_baseline",
    "estimate",
    "estimator_name",
    "has_converged",
    "is_busy",
    "reference_min_s",
    "reference_seconds",
    "relative_change",
    "round_min_s",
    "select_estimator",
    "uses_cpu_time",
    "without_slow_rounds",
]
