"""A comparison on a terminal: the difference with its interval, the same model against itself, and the ops."""

from __future__ import annotations

from latkit._io import one_line
from latkit._io.moments import moment_written
from latkit.cli.console import Cell, say, show_table
from latkit.evaluation.comparison import Comparison, Interval
from latkit.evaluation.op_changes import OpChange, op_changes
from latkit.profiling.profile import Profile

SHOWN = 8
"""A terminal shows this many ops that lost and as many that gained."""
NEGLIGIBLE = 0.002
"""Changes below this share of the latency are not shown."""


def show_comparison(found: Comparison, before: Profile, after: Profile) -> None:
    """The result, how sure it is, and where it comes from."""
    if found.interleaved:
        rows = [_row(f"{found.b.model} against {found.a.model}", found.difference)]
        if found.aa is not None:
            rows.append(_row(f"{found.a.model} against itself", found.aa))
        show_table(f"difference, with {100 * found.level:.0f} % intervals", rows)
    _show_changes(found, before, after)
    say(f"{found.a.ms:.4g} ms and {found.b.ms:.4g} ms: {found.statement}")
    if found.beyond_aa is False and found.difference.verdict != "no difference":
        say("The model differs from itself about as much: the difference may be the machine's.")
    inputs = [one_line(profile.model_file.inputs_text) for profile in (before, after)]
    if inputs[0] != inputs[1]:
        say(f"The inputs differ: {inputs[0]} and {inputs[1]}.")
    if not found.interleaved:
        stored_at = moment_written(found.a.created_at)
        say(f"The stored profile is of {stored_at}; --compare times both in turn and finds less.")


def _row(what: str, found: Interval) -> dict[str, Cell]:
    return {
        "what": what,
        "percent": f"{found.percent:+.2f}",
        "interval": f"{found.low_percent:+.2f} to {found.high_percent:+.2f}",
        "effect size": "–" if found.effect_size is None else f"{found.effect_size:+.2f}",
        "passes": found.passes,
        "verdict": found.verdict,
    }


def _show_changes(found: Comparison, before: Profile, after: Profile) -> None:
    if not before.ops or not after.ops:
        return
    changes = op_changes(before, after, found.a.ms, found.b.ms)
    known = [change for change in changes if abs(change.change_ms) > NEGLIGIBLE * found.a.ms]
    for title, chosen in (
        ("ops that lost time", [change for change in known if change.change_ms > 0]),
        ("ops that gained time", [change for change in known if change.change_ms < 0]),
    ):
        if chosen:
            show_table(f"{title}: {min(len(chosen), SHOWN)} of {len(chosen)}", [_change(one) for one in chosen[:SHOWN]])


def _change(change: OpChange) -> dict[str, Cell]:
    return {
        "op": change.name,
        "kind": change.kind,
        "before_ms": change.before_ms,
        "after_ms": change.after_ms,
        "change_ms": f"{change.change_ms:+.4g}",
    }
