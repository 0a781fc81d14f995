"""The result of a search, or of a series of them: figures, notes, and errors."""

from __future__ import annotations

import typer

from latkit.cli.console import emit_json, note, say, show_facts, show_table
from latkit.cli.render.cross_table import show_cross_table
from latkit.errors import LatkitError
from latkit.layout import REPORT_FILE
from latkit.workspace.searches.search import SearchRun

LATENCIES = ("target_latency_ms", "predicted_latency_ms", "measured_latency_ms")
FACTS = ("macs", "parameters", "seconds")
"""What a person is shown of a search, besides target, space and the task's metric; --json has all of it."""


def show_outcomes(run: SearchRun, as_json: bool) -> None:
    """Print what was found. Raises the error of a single search, and typer.Exit where one of several failed."""
    show_search(run, as_json)
    errors = [outcome.error for outcome in run.outcomes if outcome.error]
    if errors and not run.is_series:
        raise errors[0]
    if errors:
        show_errors(run)
    if errors or any(outcome.failures for outcome in run.outcomes):
        raise typer.Exit(LatkitError.exit_code)


def show_search(run: SearchRun, as_json: bool) -> None:
    """Print what was found."""
    document = run.document()
    if not run.is_series:
        for remark in run.found.notes:
            note(remark)
    if as_json:
        emit_json(document)
    elif run.is_series:
        metrics = dict.fromkeys(one.finished_search.result.metric.name for one in run.outcomes if one.finished_search)
        columns = ("name", *LATENCIES, *metrics, "seconds")
        show_table(f"searches {run.name}", [{name: one.get(name) for name in columns} for one in document["searches"]])
        if run.cross_table:
            show_cross_table(run.cross_table)
        say(f"look at search/{run.name}/{REPORT_FILE} with a browser")
    else:
        if document["emulated"]:
            note(f"{run.found.target.device} is emulated: these are no phone's latencies")
        shown = ("target", "space", *LATENCIES, run.found.result.metric.name, *FACTS)
        show_facts(f"search {run.name}", {fact: document[fact] for fact in shown})
        say(f"files in {run.found.folder}; look at {REPORT_FILE} in it with a browser")


def show_errors(run: SearchRun) -> None:
    """Print which searches of a series failed, and how to continue."""
    for outcome in run.outcomes:
        if outcome.error:
            note(f"error: {outcome.member.title}: {outcome.error}")
    note("what was found is saved; the same command with --resume continues with the others")
