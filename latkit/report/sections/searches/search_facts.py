"""The files of a search, read once for all sections."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from latkit._io import one_line
from latkit.errors import BadFile, NotMeasured, UsageError
from latkit.evaluation.notes import measured_notes
from latkit.evaluation.validation import MeasuredNetwork
from latkit.latency_models import AdditiveModel
from latkit.layout import MEASURED_FILE, FittedModels
from latkit.ops import Network
from latkit.report.formatting import short
from latkit.report.sections.searches.strategy import StrategyFacts, read_strategy
from latkit.search import Recipe, SearchResult
from latkit.search.baselines.records import BaselineRecord, Baselines
from latkit.search.once_for_all.records import SUPERNET_FILES
from latkit.search.records.base import load_record
from latkit.search.records.result import FILES, exported_files
from latkit.search.records.strategy import STRATEGY_FILE
from latkit.search.tasks import TASKS, Metric
from latkit.spaces import Space, load_saved
from latkit.tables import LatencyTable
from latkit.targets import Target


class History(BaseModel):
    """The course of a search: one row per epoch of each phase."""

    model_config = ConfigDict(extra="forbid")
    format: Literal["latkit-search-history-1"]
    choices: list[str]
    search: list[dict[str, Any]]
    training: list[dict[str, Any]]

    @model_validator(mode="after")
    def _can_be_drawn(self) -> History:
        for row in (*self.search, *self.training):
            if type(row.get("epoch")) is not int:
                raise ValueError(f"expected an epoch in every row, but found {one_line(str(row.get('epoch')), 40)}")
            for name, value in row.items():
                if name != "probabilities" and not isinstance(value, int | float | None):
                    raise ValueError(
                        f"expected {one_line(name, 40)} as a number, but found {one_line(repr(value), 40)}"
                    )
        for row in self.search:
            _PROBABILITIES.validate_python(row.get("probabilities"))
            if len(row["probabilities"]) != len(self.choices):
                raise ValueError(f"expected probabilities of {len(self.choices)} choices in every row")
        return self


_Candidates = Annotated[list[float], Field(min_length=1)]
_PROBABILITIES: TypeAdapter[list[list[float]]] = TypeAdapter(Annotated[list[_Candidates], Field(min_length=1)])
"""Of every candidate of every choice."""


@dataclass(frozen=True)
class SearchFacts:
    """One search's recipe and the results that exist; all but the recipe may be absent."""

    name: str
    recipe: Recipe
    result: SearchResult | None
    history: History | None
    network: Network | None
    table: LatencyTable | None
    measured: MeasuredNetwork | None
    target: Target | None
    """The target on which the network was measured."""
    model: AdditiveModel | None
    """The model of that target which predicted the network."""
    space: Space | None
    """The space that was searched."""
    strategy: StrategyFacts | None = None
    """Of a search by a strategy."""
    baselines: tuple[BaselineRecord, ...] = ()
    """Its baselines: the networks trained for comparison."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Addresses of the network's files as seen from the page, by file name."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the reader, in sentences: of the search, and of the measurement."""
        if self.result is None:
            return ()
        return (*self.result.notes, *(measured_notes(self.result, self.measured) if self.measured else ()))

    @property
    def metric(self) -> Metric:
        """The metric of its task."""
        return TASKS.get(self.recipe.settings.task).metric

    @property
    def measured_s(self) -> float | None:
        """The network's latency on its target, if that was measured."""
        return self.measured.network.measured_ms / 1e3 if self.measured else None

    @property
    def emulated(self) -> bool:
        """Whether the latencies are those of an emulator."""
        return self.model is not None and self.model.origin_.environment.emulated


def read_search(workspace: FittedModels, name: str, page_folder: Path = Path()) -> SearchFacts:
    """Everything that a search saved. Raises UsageError naming the existing searches, and BadFile.

    `page_folder`: where the page is written, from which files are linked.
    """
    folder = workspace.root / "search" / name
    known = list(searches_of(workspace))
    if name not in known:
        listed = ", ".join(sorted([*known, *replays_of(workspace), *supernets_of(workspace)])) or "none"
        raise UsageError(f"unknown search {name!r}; known searches: {listed} (a target is written DEVICE/RUNTIME)")
    recipe = load_record(Recipe, folder / FILES["recipe"])
    network = Network.load(path) if (path := folder / FILES["architecture"]).exists() else None
    measured = load_record(MeasuredNetwork, path) if (path := folder / MEASURED_FILE).exists() else None
    found = SearchFacts(
        name=name,
        recipe=recipe,
        result=load_record(SearchResult, path) if (path := folder / FILES["result"]).exists() else None,
        history=load_record(History, path) if (path := folder / FILES["history"]).exists() else None,
        network=network,
        table=LatencyTable.load(path) if (path := folder / FILES["table"]).exists() else None,
        measured=measured,
        strategy=read_strategy(folder),
        target=Target.parse(measured.target) if measured else None,
        model=_model_of(workspace, measured, network) if measured and network else None,
        space=load_saved(path) if (path := folder / FILES["space"]).exists() else None,
        baselines=Baselines.load(folder).records,
        links=_links(folder, page_folder),
    )
    _check_fits(found, folder)
    return found


LINKED = ("weights", "architecture", "recipe", "result")
"""The files of a search that its page links to beside the exported ones; names in `FILES`."""


def _links(folder: Path, page_folder: Path) -> dict[str, str]:
    """Addresses of a search's files, relative to the folder of the page, by file name."""
    base = os.path.relpath(folder.resolve(), page_folder.resolve())
    names = [*exported_files(folder), *(FILES[what] for what in LINKED if (folder / FILES[what]).exists())]
    return {name: quote(f"{base}/{name}") for name in names}


def _check_fits(known: SearchFacts, folder: Path) -> None:
    """Raise BadFile if the files are not of one search."""
    if known.result is None:
        return
    path, architecture = folder / FILES["result"], known.result.architecture
    widths: dict[str, list[int]] = {}
    if known.history and known.history.search:
        widths["history"] = [len(row) for row in known.history.search[-1]["probabilities"]]
    if known.table:
        widths["table"] = [len(row) for row in known.table.rows()]
    if known.space:
        widths["space"] = [len(choice.options) for choice in known.space.choices]
    for name, found in widths.items():
        fits = len(found) == len(architecture)
        if not fits or not all(0 <= index < width for index, width in zip(architecture, found, strict=True)):
            raise BadFile(path, f"an architecture that {FILES[name]} holds", one_line(str(list(architecture)), 80))


def searches_of(workspace: FittedModels) -> Iterator[str]:
    """The names of the searches that were begun."""
    return (path.parent.name for path in sorted((workspace.root / "search").glob(f"*/{FILES['recipe']}")))


def replays_of(workspace: FittedModels) -> Iterator[str]:
    """The names of the searches on a benchmark, which have a strategy and no recipe."""
    begun = set(searches_of(workspace))
    found = (path.parent.name for path in sorted((workspace.root / "search").glob(f"*/{STRATEGY_FILE}")))
    return (name for name in found if name not in begun)


def supernets_of(workspace: FittedModels) -> Iterator[str]:
    """The names of the supernets whose training was begun."""
    return (path.parent.name for path in sorted((workspace.root / "search").glob(f"*/{SUPERNET_FILES['recipe']}")))


def _model_of(workspace: FittedModels, measured: MeasuredNetwork, network: Network) -> AdditiveModel | None:
    """The model that predicted the network, unless a refitted one no longer knows its ops."""
    target = Target.parse(measured.target)
    if not workspace.has_model(target, measured.model):
        return None
    model = workspace.model_for(target, network, measured.model)
    try:
        model.layer_seconds(network.ops)
    except NotMeasured:
        return None
    return model


def candidate_names(facts: SearchFacts, widths: Sequence[int]) -> list[list[str]]:
    """Labels of the candidates of every choice: their ops if the space is known, else their numbers."""
    if facts.space is None:
        return [[f"#{index}" for index in range(width)] for width in widths]
    if candidates := facts.space.candidates():
        return [[short(op) for op in ops] for ops in candidates]
    return [list(choice.options) for choice in facts.space.choices]
