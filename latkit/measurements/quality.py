"""Which measurements a fit may use, and why the others were left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latkit.timing import Measurement, Setup, Subject

CONTENDED_SHARE = 0.5
"""A measurement more than half of whose runs were preempted tells of its neighbours, not of its subject."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a fit uses, and what it leaves out with the reason for each."""

    used: tuple[Measurement, ...]
    left_out: tuple[tuple[Measurement, str], ...]


def setup_of(measurements: Sequence[Measurement]) -> Setup | None:
    """The setup under which the latest visit was made, or None where there is none."""
    latest = max(measurements, key=lambda measurement: measurement.visits[-1].started_at, default=None)
    return latest.setup if latest else None


def preempted_share(measurement: Measurement) -> float:
    """Share of runs during which the kernel preempted the agent, 0 to 1."""
    return float(np.mean([count > 0 for visit in measurement.visits for count in visit.preemptions]))


def select(measurements: Sequence[Measurement]) -> Selection:
    """Keep complete, undisturbed measurements of the latest setup; of one subject's, the one begun last."""
    setup = setup_of(measurements)
    newest: dict[tuple[Subject, int], Measurement] = {}
    left_out: list[tuple[Measurement, str]] = []
    for measurement in measurements:
        reason = _reason_against(measurement, setup)
        if reason:
            left_out.append((measurement, reason))
            continue
        identity = measurement.subject, measurement.repetition
        if identity in newest:
            left_out.append((newest[identity], "measured again later"))
        newest[identity] = measurement
    return Selection(tuple(newest.values()), tuple(left_out))


def _reason_against(measurement: Measurement, setup: Setup | None) -> str:
    if measurement.setup != setup:
        return "taken under another setup than the latest (device, runtime or exporter has changed)"
    if not measurement.complete:
        return f"incomplete: {len(measurement.visits)} of {measurement.plan.visits} visits"
    if (share := preempted_share(measurement)) > CONTENDED_SHARE:
        return f"contended: {share:.0%} of its runs were preempted"
    return ""
