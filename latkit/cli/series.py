"""Several searches in one command, one after the other, then the cross table of their networks."""

from __future__ import annotations

import typer

from latkit.cli.console import emit_json, note, say, show_table
from latkit.cli.render.cross_table import show_cross_table
from latkit.errors import LatkitError
from latkit.report import write_report
from latkit.search.records.result import FILES
from latkit.targets import Target
from latkit.workspace import REPORT_FILE
from latkit.workspace.cross_evaluation import CrossEvaluation
from latkit.workspace.cross_table import CrossTable
from latkit.workspace.entries import all_entries
from latkit.workspace.multi_search import Outcome, Precheck, SearchOne, Series, search_series


def search_all(
    evaluation: CrossEvaluation, series: Series, one: SearchOne, precheck: Precheck, resume: bool, as_json: bool
) -> None:
    """Run all searches of a series and show their results. Exits with 1 if one of them failed."""
    workspace, outcomes = evaluation.workspace, []
    for outcome in search_series(workspace, series, one, precheck, resume, note):
        outcomes.append(outcome)
        for remark in outcome.finished_search.notes if outcome.finished_search else ():
            note(f"{outcome.member.name}: {remark}")
    cross_table = _cross(evaluation, series)
    pages = [outcome.finished_search.folder for outcome in outcomes if outcome.finished_search]
    for page in [*pages, *([workspace.search_dir(series.name)] if cross_table else [])]:
        write_report(workspace, page.name, page / REPORT_FILE)
    if as_json:
        searches = [outcome.document() for outcome in outcomes]
        emit_json({"searches": searches, "cross_table": cross_table.document() if cross_table else None})
    else:
        _show(series, outcomes, cross_table)
    failed = [outcome for outcome in outcomes if outcome.error]
    for outcome in failed:
        note(f"error: {outcome.member.title}: {outcome.error}")
    if failed:
        note("what was found is saved; the same command with --resume continues with the others")
        raise typer.Exit(LatkitError.exit_code)


def _cross(evaluation: CrossEvaluation, series: Series) -> CrossTable | None:
    """The cross table of the searches that finished; None if none did."""
    folders = {member.name: evaluation.workspace.search_dir(member.name) for member in series.members}
    ended = [name for name, folder in folders.items() if (folder / FILES["result"]).exists()]
    if not ended:
        return None
    targets = [Target.parse(member.target) for member in series.members]
    cross_table = evaluation.table(series.name, all_entries(evaluation.workspace, ended), targets)
    cross_table.save(evaluation.workspace.search_dir(series.name))
    return cross_table


def _show(series: Series, outcomes: list[Outcome], cross_table: CrossTable | None) -> None:
    documents = [outcome.document() for outcome in outcomes]
    columns = ("name", "target_latency_ms", "predicted_latency_ms", "measured_latency_ms", "accuracy", "seconds")
    show_table(f"searches {series.name}", [{name: one.get(name) for name in columns} for one in documents])
    if cross_table:
        show_cross_table(cross_table)
    say(f"look at search/{series.name}/{REPORT_FILE} with a browser")
