"""What was collected on each target."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latkit.cli.console import emit_json, note, say
from latkit.cli.render.predicted import graph_document, latency_lines, measured_document, show_kernels
from latkit.profiling import CollectionSummary
from latkit.profiling.scheduler import Outcome
from latkit.targets import Target
from latkit.workspace.models.predict import GraphPrediction, predict_files
from latkit.workspace.requests import CollectRequest
from latkit.workspace.target_verbs import TargetVerbs

MAX_SHOWN_KERNELS = 10
"""A terminal shows this many kernels of each model, the slowest ones; --json has all of them."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown beside the outcomes."""

    space: str | None
    """As it was named on the command line."""
    models: Mapping[Target, Mapping[Path, GraphPrediction]]
    """The latencies of the collected model files on each target."""


def predictions(
    workspace: TargetVerbs, request: CollectRequest, outcomes: Sequence[Outcome]
) -> dict[Target, dict[Path, GraphPrediction]]:
    """The latencies of the request's model files on each target where they were collected."""
    measured = [outcome.target for outcome in outcomes if outcome.summary is not None]
    return {target: predict_files(workspace, request, target, note) for target in measured}


def _models_document(models: Mapping[Path, GraphPrediction]) -> dict[str, Any]:
    """The latencies of each file; those of a single file also where earlier versions had them."""
    if not models:
        return {}
    documents = [{"model": path.name, **graph_document(found)} for path, found in models.items()]
    single = measured_document(next(iter(models.values())).measured) if len(models) == 1 else {}
    return {**single, "models": documents}


def show_outcomes(request: CollectRequest, outcomes: Sequence[Outcome], shown: Shown, as_json: bool) -> None:
    """Print the outcome of each target."""
    name = request.space.name if request.space else None
    documents = [
        {"space": name, **outcome.document(), **_models_document(shown.models.get(outcome.target, {}))}
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
    for path, found in shown.models.get(target, {}).items() if not as_json else ():
        for line in latency_lines(found):
            say(f"{path.name}: {line}")
        if found.prediction is not None:
            show_kernels(f"{path.name} on {target}", found.prediction, MAX_SHOWN_KERNELS)
    for title, reason in summary.failed.items():
        note(f"not measured on {target}: {title}: {reason}")
    if not summary.finished:
        note("the time ran out; run the same command again to go on")
    elif not as_json and not shown.models.get(target):
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
