"""Searching in a workspace: with a target's model in the loop, and the result measured on that target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from latkit.devices import BenchmarkTool, OnMessage
from latkit.errors import BadFile, LatkitError
from latkit.evaluation.validation import AGREEMENT, MeasuredNetwork, measure_network
from latkit.ops import Network
from latkit.progress import Progress
from latkit.search import Constraint, DataSplit, SearchResult, SearchSettings, TrainedNetwork, run_search
from latkit.search.baselines import BaselineRequest
from latkit.search.records.problem import Problem
from latkit.search.records.result import FILES, load_record
from latkit.search.training.runtime_env import process_count
from latkit.spaces import Space
from latkit.targets import Target
from latkit.workspace.baselines import Measuring, check_mobilenet, search_baselines
from latkit.workspace.layout import MEASURED_FILE, REPORT_FILE
from latkit.workspace.preflight import prepared, shared
from latkit.workspace.workspace import Workspace

MISSED = 0.05
"""A measured latency is expected to lie within this share of the prediction."""


@dataclass(frozen=True, slots=True)
class FinishedSearch:
    """The result of a search, with its network's latency on the target."""

    target: Target
    result: SearchResult
    measured: MeasuredNetwork
    folder: Path
    failed: LatkitError | None = None
    """The error that ended its baselines."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the reader, in sentences: of the search, and of the measurement."""
        return (*self.result.notes, *measured_notes(self.result, self.measured))

    def document(self) -> dict[str, Any]:
        """The figures that the command line prints, and the existing files: it writes the report, Python does not."""
        result = self.result
        files = {**result.files, "measured": MEASURED_FILE, "report": REPORT_FILE}
        return {
            "target": str(self.target),
            "space": result.space,
            "target_latency_ms": 1e3 * result.target_latency_s,
            "predicted_latency_ms": 1e3 * result.predicted_latency_s,
            "measured_latency_ms": self.measured.network.measured_ms,
            "emulated": self.measured.emulated,
            "accuracy": result.accuracy,
            "macs": result.macs,
            "parameters": result.parameters,
            "architecture": list(result.architecture),
            "ops": list(result.ops),
            "limits": {name: constraint.model_dump() for name, constraint in result.constraints.items()},
            "seconds": sum(result.seconds.values()),
            "notes": list(self.notes),
            "exports": {name: facts.model_dump() for name, facts in result.exports.items()},
            "files": {name: str(self.folder / file) for name, file in files.items() if (self.folder / file).exists()},
            **({"error": str(self.failed)} if self.failed else {}),
        }


def search(
    workspace: Workspace,
    target: Target,
    space: Space,
    data: DataSplit,
    target_latency_s: float,
    name: str,
    settings: SearchSettings,
    progress: Progress,
    kind: str = "lookup",
    resume: bool = False,
    wait_s: float = 0.0,
    on_message: OnMessage = lambda _text: None,
    tool: BenchmarkTool | None = None,
    warm_up: Path | None = None,
    teacher: TrainedNetwork | None = None,
    constraints: Sequence[Constraint] = (),
    baselines: Sequence[BaselineRequest] = (),
) -> FinishedSearch:
    """Search with the target's model in the loop, train and export the network, and measure it on the target.

    Everything is saved under `search/NAME/`. With `resume`, finished work is not repeated, and the tables are those
    that the search began with, even if the model was refitted. `tool`: measures instead of latkit's agent. `warm_up`,
    `teacher` and `constraints`: as for `run_search`. `baselines`: trained and measured next to the derived network; an
    error that ends them is in `FinishedSearch.failed`, but with several processes it is raised.

    Raises as `run_search`, `check_drawn`, `validate.measure_network` and `collection` do, and UsageError if the
    model's ops were measured with another tool.
    """
    model, tables = prepared(
        workspace, target, space, target_latency_s, name, settings, kind, resume, tool, constraints, baselines
    )
    measuring = Measuring(workspace, target, model, progress, wait_s, on_message, tool)
    check_mobilenet(measuring, space, target_latency_s, name, baselines)
    folder, tables = workspace.search_dir(name), shared(tables, space, constraints, settings)
    problem = Problem(space, tables.latency, data, target_latency_s, settings, teacher, tables.constraints)
    result = run_search(problem, folder, progress, resume, warm_up=warm_up)
    network = Network.load(folder / FILES["architecture"])
    measured = _measured_before(folder, target, network) if resume else None
    if measured is None:
        with _saying_what_is_saved(folder, on_message), measuring.collection() as collection:
            measured = measure_network(collection, model, network)
        measured.save(folder / MEASURED_FILE)
    finished_search = FinishedSearch(target, result, measured, folder)
    try:
        search_baselines(measuring, problem, name, baselines)
    except LatkitError as error:
        if process_count() > 1:
            raise  # the other processes are ending
        on_message(f"what was found is saved in {folder}; the same command with --resume continues with the baselines")
        return replace(finished_search, failed=error)
    return finished_search


@contextmanager
def _saying_what_is_saved(folder: Path, on_message: OnMessage) -> Iterator[None]:
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


def measured_notes(result: SearchResult, measured: MeasuredNetwork) -> tuple[str, ...]:
    """Notes for a network that takes more than 5 % more or less than predicted, or more than the target.

    Also for one of which no two measurements agreed.
    """
    notes: list[str] = []
    taken_s, target = measured.network.measured_ms / 1e3, measured.target
    off, over = taken_s / result.predicted_latency_s - 1, taken_s / result.target_latency_s - 1
    if max(abs(off), over) > MISSED:
        notes.append(
            f"measured {1e3 * taken_s:.4g} ms: {off:+.1%} from the prediction, {over:+.1%} from the target; "
            "the network was not changed. More networks calibrate the model for the next search: "
            f"latkit collect {target} --space {result.space} --networks N, then latkit fit {target}"
        )
    min_ms, max_ms = sorted((measured.network.first_ms, measured.network.second_ms))
    if max_ms > (1 + AGREEMENT) * min_ms:
        notes.append(f"measured twice, it took {min_ms:.4g} ms and {max_ms:.4g} ms: the device was not quiet")
    return tuple(notes)
