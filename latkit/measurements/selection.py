"""Selects the measurements that a fit may use, and gives the reason for each one left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from latkit.errors import NotMeasured
from latkit.measurements.anomalies import contended, count_flags, usable_runs
from latkit.timing import Environment, Measurement, Role, Workload

MIN_USABLE_RUNS = 6
"""A contended measurement is usable with this many runs that measure the workload alone: the rounds of a plan."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a fit uses, and what it leaves out with the reason for each."""

    used: tuple[Measurement, ...]
    left_out: tuple[tuple[Measurement, str], ...]

    def usable(self) -> tuple[Measurement, ...]:
        """What a fit uses. Raises NotMeasured with the reason if there is nothing."""
        if self.used or not self.left_out:
            return self.used
        reasons = Counter(reason.partition(":")[0] for _, reason in self.left_out)
        ((reason, count),) = reasons.most_common(1)
        example = next(text for _, text in self.left_out if text.startswith(reason))
        target = self.left_out[0][0].target
        remedy = "run the same latkit collect again, to its end" if reason == "incomplete" else "run latkit collect"
        raise NotMeasured(
            f"none of the {len(self.left_out)} measurements of {target} can be used: of {count}, the first is "
            f"{example}; {remedy}"
        )

    def reason_against(self, workload: Workload) -> str:
        """Why no measurement of a workload is used; empty if one is, or if there is none."""
        if any(measurement.workload == workload for measurement in self.used):
            return ""
        return next((reason for measurement, reason in self.left_out if measurement.workload == workload), "")

    def flags(self) -> dict[str, int]:
        """Number of the used measurements that raise each flag, by its name (see `latkit.measurements.anomalies`)."""
        return count_flags(self.used)


def environment_of(measurements: Sequence[Measurement]) -> Environment | None:
    """The environment of the latest round; None if there is no round."""
    latest = max(measurements, key=lambda measurement: measurement.rounds[-1].started_at, default=None)
    return latest.environment if latest else None


def select(measurements: Sequence[Measurement]) -> Selection:
    """Select complete measurements of the latest environment with enough usable runs; per workload, the one begun last.

    A contended measurement of a single thread is selected if CPU time excludes the waiting of its runs: on a busy
    machine no network runs without waiting. The other flags exclude nothing, since the reference timed alternately and
    the minimum over the rounds cancel most of their effect; `Selection.flags` counts them.
    """
    environment = environment_of(measurements)
    newest: dict[tuple[Workload, Role, int], Measurement] = {}
    left_out: list[tuple[Measurement, str]] = []
    for measurement in measurements:
        reason = _reason_against(measurement, environment)
        if reason:
            left_out.append((measurement, reason))
            continue
        identity = measurement.workload, measurement.role, measurement.repetition
        if identity in newest:
            left_out.append((newest[identity], "measured again later"))
        newest[identity] = measurement
    return Selection(tuple(newest.values()), tuple(left_out))


def _reason_against(measurement: Measurement, environment: Environment | None) -> str:
    if measurement.environment != environment:
        return "taken under another setup than the latest (device, runtime or exporter has changed)"
    if not measurement.complete:
        return f"incomplete: {len(measurement.rounds)} of {measurement.plan.rounds} rounds"
    return reason_contended(measurement)


def reason_contended(measurement: Measurement) -> str:
    """Why a measurement that other processes disturbed cannot be used; empty if it can, or was not disturbed."""
    remark = contended(measurement)
    if remark and (usable := usable_runs(measurement)) < MIN_USABLE_RUNS:
        return f"contended: {remark}, and {usable} runs tell of it alone where {MIN_USABLE_RUNS} are needed"
    return ""
