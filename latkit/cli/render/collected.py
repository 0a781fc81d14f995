"""What was collected on each target."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from latkit.cli.console import emit_json, note, say
from latkit.profiling import CollectionSummary
from latkit.profiling.scheduler import Outcome
from latkit.workspace.requests import CollectRequest


def show_outcomes(request: CollectRequest, outcomes: Sequence[Outcome], space: str | None, as_json: bool) -> None:
    """Print the outcome of each target. `space`: as it was named on the command line."""
    name = request.space.name if request.space else None
    documents = [{"space": name, **outcome.document()} for outcome in outcomes]
    if as_json:
        emit_json(documents[0] if len(documents) == 1 else {"targets": documents})
    for outcome in outcomes:
        _show_outcome(outcome, space, as_json)


def _show_outcome(outcome: Outcome, space: str | None, as_json: bool) -> None:
    """Print what was collected on a target; with --json, only the messages."""
    target, summary = outcome.target, outcome.summary
    if summary is None:
        note(f"error: {target}: {outcome.error}")
        return
    if not as_json:
        say(
            f"{target}: {summary.rounds} rounds made of {summary.workloads} ops and networks, {summary.resumed} "
            f"were there, in {summary.seconds:.0f} s ({_parts(summary)})"
        )
    for title, reason in summary.failed.items():
        note(f"not measured on {target}: {title}: {reason}")
    if not summary.finished:
        note("the time ran out; run the same command again to go on")
    elif not as_json:
        say(f"next: latkit fit {target}{f' --space {shlex.quote(space)}' if space else ''}")


def _parts(summary: CollectionSummary) -> str:
    """Where the time went, without the parts that took none."""
    parts = {
        "inference": summary.inference_seconds,
        "export": summary.export_seconds,
        "push": summary.push_seconds,
        "load": summary.load_seconds,
        "faults": summary.lost_seconds,
        "idle": summary.idle_seconds,
    }
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in parts.items() if seconds >= 0.05)
