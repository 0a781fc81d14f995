"""Which measurements a fit may use, and why the others were left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from latkit.errors import NotMeasured
from latkit.measurements.anomalies import contended, count_flags, usable_runs
from latkit.timing import Environment, Measurement, Workload

MIN_USABLE_RUNS = 6
"""So many runs that tell of the subject alone make a contended measurement usable: as many as a plan has visits."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a fit uses, and what it leaves out with the reason for each."""

    used: tuple[Measurement, ...]
    left_out: tuple[tuple[Measurement, str], ...]

    def usable(self) -> tuple[Measurement, ...]:
        """What a fit uses. Raises NotMeasured, which says why there is nothing."""
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

    def flags(self) -> dict[str, int]:
        """How many of the measurements used raise each flag, by its name (see `latkit.measurements.anomalies`)."""
        return count_flags(self.used)


def environment_of(measurements: Sequence[Measurement]) -> Environment | None:
    """The setup under which the latest visit was made, or None where there is none."""
    latest = max(measurements, key=lambda measurement: measurement.rounds[-1].started_at, default=None)
    return latest.environment if latest else None


def select(measurements: Sequence[Measurement]) -> Selection:
    """Keep complete measurements of the latest setup with enough usable runs; of one subject's, the one begun last.

    A contended measurement of a single thread is kept where CPU time leaves out what its runs waited: on a busy machine
    no network runs without waiting. The other flags leave nothing out, since the reference timed in turn and the floor
    over the visits cancel most of what they stand for; `Selection.flags` tells of them.
    """
    environment = environment_of(measurements)
    newest: dict[tuple[Workload, int], Measurement] = {}
    left_out: list[tuple[Measurement, str]] = []
    for measurement in measurements:
        reason = _reason_against(measurement, environment)
        if reason:
            left_out.append((measurement, reason))
            continue
        identity = measurement.workload, measurement.repetition
        if identity in newest:
            left_out.append((newest[identity], "measured again later"))
        newest[identity] = measurement
    return Selection(tuple(newest.values()), tuple(left_out))


def _reason_against(measurement: Measurement, environment: Environment | None) -> str:
    if measurement.environment != environment:
        return "taken under another setup than the latest (device, runtime or exporter has changed)"
    if not measurement.complete:
        return f"incomplete: {len(measurement.rounds)} of {measurement.plan.rounds} visits"
    remark = contended(measurement)
    if remark and (usable := usable_runs(measurement)) < MIN_USABLE_RUNS:
        return f"contended: {remark}, and {usable} runs tell of it alone where {MIN_USABLE_RUNS} are needed"
    return ""
