"""Profiles of model files: how fast a user's own file is on a target, and where the time goes."""

from latkit.profiling.profile.records import (
    Energy,
    Fallback,
    LatencyStatistics,
    ModelRequest,
    OpTime,
    Paced,
    Peaks,
    Predicted,
    Profile,
    Profiler,
    ProfileRequest,
    ReferenceTime,
    WarmUp,
)

__all__ = [
    "Energy",
    "Fallback",
    "LatencyStatistics",
    "ModelRequest",
    "OpTime",
    "Paced",
    "Peaks",
    "Predicted",
    "Profile",
    "ProfileRequest",
    "Profiler",
    "ReferenceTime",
    "WarmUp",
]
