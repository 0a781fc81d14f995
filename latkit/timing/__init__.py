"""Timing plans, raw samples and how a latency is estimated from them."""

from latkit.timing.estimators import (
    DEFAULT_ESTIMATOR,
    ESTIMATORS,
    Estimate,
    estimate,
    is_settled,
    reference_seconds,
)
from latkit.timing.measurement import Measurement, Role, Setup, Subject, TimingPlan, Visit
from latkit.timing.reference import REFERENCE
from latkit.timing.visits import runs_alone, visit_reference_floor_s

__all__ = [
    "DEFAULT_ESTIMATOR",
    "ESTIMATORS",
    "REFERENCE",
    "Estimate",
    "Measurement",
    "Role",
    "Setup",
    "Subject",
    "TimingPlan",
    "Visit",
    "estimate",
    "is_settled",
    "reference_seconds",
    "runs_alone",
    "visit_reference_floor_s",
]
