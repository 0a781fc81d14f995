"""Anomalies of a target's measurements: the flags, how many measurements raise each, and which."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.measurements import FLAGS, flags_of
from latkit.measurements.anomalies import fastest_khz
from latkit.report.formatting import count, percent
from latkit.report.html import Html, details, join, notice, table
from latkit.timing import Measurement
from latkit.timing.noise import CONTENDED_WIDENING, DRIFTING_WIDENING, UNPINNED_WIDENING

WIDENING = {"unpinned": UNPINNED_WIDENING, "drifting": DRIFTING_WIDENING, "contended": CONTENDED_WIDENING}
"""How much a flag widens the interval of an estimate, to either side; other flags do not widen it."""
MAX_ROWS = 200


def flags_section(measurements: Sequence[Measurement]) -> Html:
    """A row for every raised flag, and under it the measurements with their values."""
    fastest = fastest_khz(measurements)
    raised = [(measurement, flags_of(measurement, fastest)) for measurement in measurements]
    parts, rows = [], []
    for name in FLAGS:
        found = [(measurement, flags[name]) for measurement, flags in raised if name in flags]
        if found:
            share, wider = percent(100 * len(found) / len(measurements)), WIDENING.get(name)
            rows.append((name, str(len(found)), share, f"±{percent(100 * wider)}" if wider else "not at all"))
            parts.append(_which(name, found))
    if not rows:
        return notice("No measurement used to fit raises a flag.")
    return join([table(("flag", "measurements", "share", "widens intervals by"), rows), *parts])


def _which(name: str, found: Sequence[tuple[Measurement, str]]) -> Html:
    rows = [(measurement.workload.title, remark) for measurement, remark in found[:MAX_ROWS]]
    shown = f", the first {MAX_ROWS}" if len(found) > MAX_ROWS else ""
    return details(
        f"{name}: {count(len(found), 'measurement')}{shown}", table(("measurement", "what was found"), rows, 2)
    )
