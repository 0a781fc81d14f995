"""Two profiles side by side: their figures, the time by kind, and the ops that gained and lost."""

from __future__ import annotations

from collections.abc import Callable

from latkit.evaluation.comparison import Comparison
from latkit.evaluation.op_changes import OpChange, op_changes, scale_to
from latkit.evaluation.op_summary import by_kind
from latkit.profiling.profile import Profile
from latkit.report.figures.op_table import Value, sortable_table
from latkit.report.figures.profile_figures import grouped_bars
from latkit.report.formatting import ABSENT, digits, percent
from latkit.report.html import Html, card, join, paragraph, section, table
from latkit.report.sections.profiles.profile import milliseconds

MAX_KINDS = 12
"""The figure shows this many kinds, the slowest ones."""

FIGURES: tuple[tuple[str, str, Callable[[Profile], float | None]], ...] = (
    ("median latency", "ms", lambda profile: profile.latency_ms.p50),
    ("fastest run", "ms", lambda profile: profile.latency_ms.min),
    ("99 % of runs", "ms", lambda profile: profile.latency_ms.p99),
    ("on the idle device", "ms", lambda profile: profile.latency_ms.estimate),
    ("median when paced", "ms", lambda profile: profile.paced.latency_ms.p50 if profile.paced else None),
    ("load", "ms", lambda profile: profile.load_ms),
    ("first run", "ms", lambda profile: profile.first_run_ms),
    ("peak memory", "MiB", lambda profile: _mebi(profile.peak_memory_bytes)),
    ("size of the file", "MiB", lambda profile: _mebi(profile.file_bytes)),
    ("MACs", "M", lambda profile: None if profile.macs is None else profile.macs / 1e6),
    ("ops", "", lambda profile: len(profile.ops) or None),
)
"""Name, unit and value of the figures shown side by side."""


def compare_section(before: Profile, after: Profile, comparison: Comparison | None = None) -> Html:
    """Both profiles beside each other, and the comparison in interleaved passes if there is one."""
    names = (f"A: {before.model}", f"B: {after.model}")
    if before.model == after.model:
        names = (f"A: {before.target}", f"B: {after.target}")
    rows = [_row(name, unit, value(before), value(after)) for name, unit, value in FIGURES]
    parts = [_difference(comparison)] if comparison else []
    parts.append(table(("", *names, "B beside A"), [row for row in rows if row]))
    if before.ops and after.ops:
        first, second = _latencies(comparison)
        parts.append(card("Time by kind of op", _kinds(names, _by_kind(before, first), _by_kind(after, second))))
        parts.append(changes_table(op_changes(before, after, first, second)))
    return section("Side by side", *parts)


def _latencies(comparison: Comparison | None) -> tuple[float | None, float | None]:
    return (comparison.a.ms, comparison.b.ms) if comparison else (None, None)


def _difference(comparison: Comparison) -> Html:
    """The result, and the same model against itself."""
    found = [("B against A", comparison.difference)]
    found += [("A against itself", comparison.aa)] if comparison.aa else []
    rows = [
        (
            name,
            percent(one.percent, signed=True),
            f"{percent(one.low_percent, signed=True)} to {percent(one.high_percent, signed=True)}",
            ABSENT if one.effect_size is None else f"{one.effect_size:.2f}",
            one.passes,
            one.verdict,
        )
        for name, one in found
    ]
    level = f"{100 * comparison.level:.0f} % interval"
    how = "timed in turn, in interleaved passes" if comparison.interleaved else "against a stored profile"
    columns = ("", "difference", level, "effect size", "passes", "verdict")
    return join([paragraph(f"{comparison.statement} ({how})."), table(columns, rows)])


def _row(name: str, unit: str, first: float | None, second: float | None) -> tuple[str, ...]:
    if first is None and second is None:
        return ()
    shown = [_shown(value, unit) for value in (first, second)]
    change = percent(100 * (second / first - 1), signed=True) if first and second is not None else ABSENT
    return (name, *shown, change)


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return ABSENT
    return f"{digits(value)} {unit}" if unit else f"{value:,.0f}"


def _by_kind(profile: Profile, total_ms: float | None) -> dict[str, float]:
    scale = scale_to(profile, total_ms)
    return {group.name: group.ms * scale for group in by_kind(profile)}


def _kinds(names: tuple[str, str], before: dict[str, float], after: dict[str, float]) -> Html:
    kinds = sorted({*before, *after}, key=lambda kind: -max(before.get(kind, 0.0), after.get(kind, 0.0)))
    return grouped_bars(names, [(kind, [before.get(kind, 0.0), after.get(kind, 0.0)]) for kind in kinds[:MAX_KINDS]])


def changes_table(changes: list[OpChange]) -> Html:
    """Ops that gained and lost, the largest change first."""
    rows: list[list[Value]] = [
        [
            (change.name, None),
            (change.kind, None),
            (milliseconds(change.before_ms), change.before_ms),
            (milliseconds(change.after_ms), change.after_ms),
            (_signed(change.change_ms), change.change_ms),
            (_fate(change), None),
        ]
        for change in changes
    ]
    intro = paragraph(
        "Ops are matched by their first node. A positive change is time lost in B, a negative one time gained."
    )
    return join([intro, sortable_table(("op", "kind", "A", "B", "change", ""), rows, "changes")])


def _signed(value: float) -> str:
    return ("+" if value > 0 else "−" if value < 0 else "") + milliseconds(abs(value))


def _fate(change: OpChange) -> str:
    if change.before_ms is None:
        return "only in B"
    return "only in A" if change.after_ms is None else ""


def _mebi(value: int | None) -> float | None:
    return None if value is None else value / 2**20
