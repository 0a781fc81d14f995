"""Searching in a workspace: with a target's model in the loop, and the result measured on that target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from latkit.errors import BadFile, LatkitError
from latkit.evaluation.notes import measured_notes
from latkit.evaluation.validation import MeasuredNetwork, measure_network
from latkit.layout import MEASURED_FILE, REPORT_FILE
from latkit.layout.series import Member
from latkit.ops import Network
from latkit.progress import SILENT, Callbacks, OnMessage
from latkit.search import Problem, SearchResult, run_search
from latkit.search.records.base import load_record
from latkit.search.records.result import FILES
from latkit.search.records.strategy import STRATEGY_FILE, StrategyRecord
from latkit.search.training.runtime_env import process_count
from latkit.targets import Target
from latkit.workspace.profiling.target_session import MeasuringWorkspace
from latkit.workspace.searches.baselines import NetworkTimer, check_mobilenet, search_baselines
from latkit.workspace.searches.preflight import prepared, shared
from latkit.workspace.searches.search_job import SearchJob
from latkit.workspace.searches.strategy_search import plan_of, search_by_strategy


@dataclass(frozen=True, slots=True)
class FinishedSearch:
    """The result of a search, with its network's latency on the target."""

    target: Target
    result: SearchResult
    measured: MeasuredNetwork
    folder: Path
    failed: LatkitError | None = None
    """The error that ended its baselines."""
    strategy: StrategyRecord | None = None
    """Of a search by a strategy."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the reader, in sentences: of the search, and of the measurement."""
        return (*self.result.notes, *measured_notes(self.result, self.measured))

    def document(self) -> dict[str, Any]:
        """The figures that the command line prints, and the files that exist."""
        result = self.result
        files = {**result.files, "measured": MEASURED_FILE, "report": REPORT_FILE}
        return {
            "target": str(self.target),
            "space": result.space,
            "target_latency_ms": 1e3 * result.target_latency_s,
            "predicted_latency_ms": 1e3 * result.predicted_latency_s,
            "measured_latency_ms": self.measured.network.measured_ms,
            "emulated": self.measured.emulated,
            result.metric.name: result.score,
            "macs": result.macs,
            "parameters": result.parameters,
            "architecture": list(result.architecture),
            "ops": list(result.ops),
            "limits": {name: constraint.model_dump() for name, constraint in result.constraints.items()},
            "seconds": sum(result.seconds.values()),
            "notes": list(self.notes),
            "exports": {name: facts.model_dump() for name, facts in result.exports.items()},
            "files": {name: str(self.folder / file) for name, file in files.items() if (self.folder / file).exists()},
            **({"strategy": self.strategy.model_dump(mode="json")} if self.strategy else {}),
            **({"error": str(self.failed)} if self.failed else {}),
        }


def search_one(
    workspace: MeasuringWorkspace,
    job: SearchJob,
    member: Member,
    callbacks: Callbacks = SILENT,
    resume: bool = False,
    warm_up: Path | None = None,
) -> FinishedSearch:
    """Search with the target's model in the loop, train and export the network, and measure it on the target.

    Everything is saved under `search/NAME/`. With `resume`, finished work is not repeated, and the tables are those
    that the search began with, even if the model was refitted. `warm_up`: as for `run_search`. An error that ends the
    baselines is in `FinishedSearch.failed`, but with several processes it is raised.

    Raises as `run_search`, `check_drawn`, `measure_network` and `MeasuringWorkspace.collection` do, and UsageError if
    the model's ops were measured with another tool.
    """
    model, tables = prepared(workspace, job, member, resume)
    timer = NetworkTimer.of(workspace, job, member, model, callbacks)
    check_mobilenet(timer, job.space, member.target_latency_s, member.name, job.baselines)
    folder, tables = workspace.search_dir(member.name), shared(tables, job.space, job.constraints, job.settings)
    target_s = member.target_latency_s
    start, bounds = job.start, tables.constraints
    problem = Problem(job.space, tables.latency, job.data, target_s, job.settings, job.teacher, bounds, start=start)
    if job.plan is not None:
        problem = replace(problem, strategy=plan_of(job.plan, problem))
        result = search_by_strategy(timer, job, problem, folder, resume)
    else:
        result = run_search(problem, folder, callbacks.progress, resume, warm_up=warm_up)
    measured = _measured(timer, folder, resume)
    found = FinishedSearch(timer.target, result, measured, folder, strategy=_strategy_of(folder))
    return _with_baselines(found, timer, problem, job)


def _strategy_of(folder: Path) -> StrategyRecord | None:
    path = folder / STRATEGY_FILE
    return load_record(StrategyRecord, path) if path.exists() else None


def _measured(timer: NetworkTimer, folder: Path, resume: bool) -> MeasuredNetwork:
    """The derived network's latency on the target; with `resume`, that of an earlier run if there is one."""
    network = Network.load(folder / FILES["architecture"])
    measured = _measured_before(folder, timer.target, network) if resume else None
    if measured is None:
        with _reporting_what_is_saved(folder, timer.callbacks.on_message), timer.collection() as collection:
            measured = measure_network(collection, timer.model, network)
        measured.save(folder / MEASURED_FILE)
    return measured


def _with_baselines(found: FinishedSearch, timer: NetworkTimer, problem: Problem, job: SearchJob) -> FinishedSearch:
    """The finished search, once its baselines are trained and measured too."""
    try:
        search_baselines(timer, problem, found.folder.name, job.baselines)
    except LatkitError as error:
        if process_count() > 1:
            raise  # the other processes are ending
        timer.callbacks.on_message(
            f"what was found is saved in {found.folder}; the same command with --resume continues with the baselines"
        )
        return replace(found, failed=error)
    return found


@contextmanager
def _reporting_what_is_saved(folder: Path, on_message: OnMessage) -> Iterator[None]:
    """If measuring fails, report that nothing of the search is lost, whatever ended it."""
    try:
        yield
    except (LatkitError, KeyboardInterrupt):
        on_message(f"the network that was found is saved in {folder}; the same command with --resume measures it")
        raise


def _measured_before(folder: Path, target: Target, network: Network) -> MeasuredNetwork | None:
    """The measurement of this very network on the target, made when the search was finished."""
    path = folder / MEASURED_FILE
    if not path.exists():
        return None
    try:
        saved = load_record(MeasuredNetwork, path)
    except BadFile:
        return None  # written by another version: it is measured again
    return saved if (saved.target, saved.network.key) == (str(target), network.key) else None
