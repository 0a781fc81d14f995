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
from latkit.timing.scale import DRIFT, Scale, establish_scale, is_busy, moved_by, scale_has_changed
from latkit.timing.suited import suited_estimator
from latkit.timing.visits import runs_alone, visit_reference_floor_s

__all__ = [
    "DEFAULT_ESTIMATOR",
    "DRIFT",
    "ESTIMATORS",
    "REFERENCE",
    "Estimate",
    "Measurement",
    "Role",
    "Scale",
    "Setup",
    "Subject",
    "TimingPlan",
    "Visit",
    "establish_scale",
    "estimate",
    "is_busy",
    "is_settled",
    "moved_by",
    "reference_seconds",
    "runs_alone",
    "scale_has_changed",
    "suited_estimator",
    "visit_reference_floor_s",
]
