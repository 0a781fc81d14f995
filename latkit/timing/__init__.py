"""Timing plans, raw samples and how a latency is estimated from them."""

from latkit.timing.measurement import Measurement, Role, Setup, Subject, TimingPlan, Visit
from latkit.timing.reference import REFERENCE

__all__ = ["REFERENCE", "Measurement", "Role", "Setup", "Subject", "TimingPlan", "Visit"]
