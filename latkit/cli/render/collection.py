"""What was collected on each target."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from latkit.cli.console import emit_json, note, say
from latkit.cli.render.predicted import latency_line, measured_document
from latkit.profiling import CollectionSummary
from latkit.profiling.scheduler import Outcome
from latkit.targets import Target
from latkit.workspace.measured import MeasuredLatency, measured_model
from latkit.workspace.requests import CollectRequest
from latkit.workspace.target_verbs import TargetVerbs


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown beside the outcomes."""

    space: str | None
    """As it was named on the command line."""
    measured: Mapping[Target, MeasuredLatency]
    """The latency of the collected model on each target."""


def measured_models(
    workspace: TargetVerbs, request: CollectRequest, outcomes: Sequence[Outcome]
) -> dict[Target, MeasuredLatency]:
    """The measured latency of the request's model on each target where it was collected."""
    if request.model is None:
        return {}
    collected = [outcome.target for outcome in outcomes if outcome.summary is not None]
    found = {target: measured_model(workspace, target, request.model, request.shapes) for target in collected}
    return {target: measured for target, measured in found.items() if measured is not None}


def show_outcomes(request: CollectRequest, outcomes: Sequence[Outcome], shown: Shown, as_json: bool) -> None:
    """Print the outcome of each target."""
    name = request.space.name if request.space else None
    documents = [
        {"space": name, **outcome.document(), **measured_document(shown.measured.get(outcome.target))}
        for outcome in outcomes
    ]
    if as_json:
        emit_json(documents[0] if len(documents) == 1 else {"targets": documents})
    for outcome in outcomes:
        _show_outcome(outcome, shown, as_json)


def _show_outcome(outcome: Outcome, shown: Shown, as_json: bool) -> None:
    """Print what was collected on a target; with --json, only the messages."""
    target, summary, space = outcome.target, outcome.summary, shown.space
    if summary is None:
        note(f"error: {target}: {outcome.error}")
        return
    if not as_json:
        say(
            f"{target}: {summary.rounds} rounds made of {summary.workloads} ops and networks, {summary.resumed} "
            f"were there, in {summary.seconds:.0f} s ({_parts(summary)})"
        )
    if not as_json and (measured := shown.measured.get(target)) is not None:
        say(f"{target}: measured as a {measured.source}: {latency_line(measured.latency)}")
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
