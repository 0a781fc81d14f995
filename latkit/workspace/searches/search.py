"""The verb `search`: one search, or a series of them with the cross table of their networks; and their reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latkit import report
from latkit.evaluation.cross_evaluation import cross_evaluate
from latkit.evaluation.cross_table import CrossTable
from latkit.layout import REPORT_FILE
from latkit.layout.series import Member
from latkit.progress import Callbacks
from latkit.search import DataSplit
from latkit.search.records.result import FILES
from latkit.search.training.runtime_env import is_first_process
from latkit.targets import Target
from latkit.workspace.compare import Reach
from latkit.workspace.entries import all_entries
from latkit.workspace.profiling.target_session import MeasureOptions, MeasuringWorkspace
from latkit.workspace.requests.search import SearchRequest
from latkit.workspace.searches.baselines import NetworkTimer, check_mobilenet
from latkit.workspace.searches.multi_search import Outcome, search_series
from latkit.workspace.searches.preflight import prepared
from latkit.workspace.searches.saved_request import saving_request
from latkit.workspace.searches.search_job import SearchJob
from latkit.workspace.searches.single_search import FinishedSearch, search_one
from latkit.workspace.searches.worker import follow


@dataclass(frozen=True, slots=True)
class SearchRun:
    """What one request searched."""

    name: str
    outcomes: tuple[Outcome, ...]
    """Of every search; of a single one, it has finished. Empty in torchrun's other processes."""
    cross_table: CrossTable | None = None
    """Of a series of which a search finished."""

    @property
    def found(self) -> FinishedSearch:
        """The finished search, of a request for a single one."""
        (outcome,) = self.outcomes
        assert outcome.finished_search is not None
        return outcome.finished_search

    @property
    def is_series(self) -> bool:
        """Whether there were several targets or latencies."""
        return len(self.outcomes) > 1

    def document(self) -> dict[str, Any]:
        """The figures that the command line prints."""
        if not self.is_series:
            return self.found.document()
        cross_table = self.cross_table.document() if self.cross_table else None
        return {"searches": [outcome.document() for outcome in self.outcomes], "cross_table": cross_table}


def search(
    workspace: MeasuringWorkspace, request: SearchRequest, callbacks: Callbacks, data: DataSplit | None = None
) -> SearchRun:
    """Run the searches of a request, and write their reports. `data`: images in memory, instead of the request's.

    A failure of one of several searches is in its outcome; that of a single one is raised, as `search_one` does. An
    error that ends baselines is in the outcome.
    """
    job = SearchJob.of(workspace, request, data)
    if not is_first_process():
        follow(workspace, job)
        return SearchRun(request.name, ())
    with saving_request(workspace, request):
        return _search_all(workspace, job, request, callbacks)


def _search_all(
    workspace: MeasuringWorkspace, job: SearchJob, request: SearchRequest, callbacks: Callbacks
) -> SearchRun:
    if len(job.series.members) > 1:
        return _search_series(workspace, job, request.resume, callbacks)
    (member,) = job.series.members
    found = search_one(workspace, job, member, callbacks, request.resume)
    report.write_report(workspace, member.name, found.folder / REPORT_FILE)
    return SearchRun(request.name, (Outcome(member, found, found.failed),))


@dataclass(frozen=True, slots=True)
class _Searcher:
    """The searches of a job."""

    workspace: MeasuringWorkspace
    job: SearchJob
    callbacks: Callbacks

    def precheck(self, member: Member, resume: bool) -> None:
        model, _ = prepared(self.workspace, self.job, member, resume)
        timer = NetworkTimer.of(self.workspace, self.job, member, model, self.callbacks)
        check_mobilenet(timer, self.job.space, member.target_latency_s, member.name, self.job.baselines)

    def search(self, member: Member, resume: bool, warm_up: Path | None) -> FinishedSearch:
        return search_one(self.workspace, self.job, member, self.callbacks, resume, warm_up)


def _search_series(workspace: MeasuringWorkspace, job: SearchJob, resume: bool, callbacks: Callbacks) -> SearchRun:
    series = job.series
    searcher = _Searcher(workspace, job, callbacks)
    outcomes = tuple(search_series(workspace, series, searcher, resume, callbacks.on_message))
    cross_table = _cross_table(workspace, job, callbacks)
    pages = [outcome.finished_search.folder for outcome in outcomes if outcome.finished_search]
    for page in [*pages, *([workspace.search_dir(series.name)] if cross_table else [])]:
        report.write_report(workspace, page.name, page / REPORT_FILE)
    return SearchRun(series.name, outcomes, cross_table)


def _cross_table(workspace: MeasuringWorkspace, job: SearchJob, callbacks: Callbacks) -> CrossTable | None:
    """The cross table of the searches that finished; None if none did."""
    names = [member.name for member in job.series.members]
    finished = [name for name in names if (workspace.search_dir(name) / FILES["result"]).exists()]
    if not finished:
        return None
    entries = all_entries(workspace, finished)
    targets = [Target.parse(member.target) for member in job.series.members]
    reach = Reach(workspace, job.kind, MeasureOptions(wait_s=job.wait_s, tool=job.tool), callbacks)
    table = cross_evaluate(job.series.name, entries, reach.columns(targets, entries), callbacks.on_message)
    table.save(workspace.search_dir(job.series.name))
    return table
