"""The verb `compare`: the networks of searches measured on each other's targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from latkit.errors import NotMeasured
from latkit.evaluation.cross_evaluation import Column, Entry, cross_evaluate
from latkit.evaluation.cross_table import CrossTable
from latkit.latency_models import AdditiveModel
from latkit.layout.series import searches_named
from latkit.measurements import Store
from latkit.ops import Network
from latkit.profiling import Collection
from latkit.progress import Callbacks
from latkit.targets import Target
from latkit.workspace.entries import all_entries, targets_of
from latkit.workspace.models.fitting import check_tool, pinned_as
from latkit.workspace.profiling.target_session import MeasureOptions, MeasuringWorkspace
from latkit.workspace.requests.search import CompareRequest

Models = Mapping[Network, AdditiveModel]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A cross table, and the file that it was saved to."""

    cross_table: CrossTable
    path: Path


def compare(workspace: MeasuringWorkspace, request: CompareRequest, callbacks: Callbacks) -> Comparison:
    """Measure every network on every target, and save the cross table with the first search.

    Raises UsageError for a search that is not finished and for an unknown device.
    """
    entries = all_entries(workspace, searches_named(workspace, request.names), request.zoo)
    targets = [*targets_of(entries), *request.targets]
    for target in targets:
        workspace.device(target.device)
    options = MeasureOptions(wait_s=request.wait_s, tool=request.tool(targets))
    reach = Reach(workspace, request.model, options, callbacks)
    name = request.names[0]
    table = cross_evaluate(name, entries, reach.columns(targets, entries), callbacks.on_message)
    return Comparison(table, table.save(workspace.search_dir(name)))


@dataclass(frozen=True, slots=True)
class Reach:
    """How the targets of a cross table are reached: as at the end of a search."""

    workspace: MeasuringWorkspace
    kind: str
    """Of the latency models that predict."""
    options: MeasureOptions
    callbacks: Callbacks

    def columns(self, targets: Sequence[Target], entries: Sequence[Entry]) -> list[Column]:
        """Every target once, with the models of these networks."""
        networks = list(dict.fromkeys(entry.network for entry in entries))
        return [self._column(target, networks) for target in dict.fromkeys(targets)]

    def _column(self, target: Target, networks: Sequence[Network]) -> Column:
        models = self._models(target, networks)
        return Column(target, models, partial(self._store, target), partial(self._collection, target, models))

    def _models(self, target: Target, networks: Sequence[Network]) -> Models:
        """The model of each network; the models may be of different spaces. None where nothing was fitted."""
        try:
            return self.workspace.models_for(target, networks, self.kind)
        except NotMeasured as error:
            self.callbacks.on_message(f"{target}: nothing is predicted: {error}")
            return {}

    @contextmanager
    def _store(self, target: Target) -> Iterator[Store | None]:
        if not self.workspace.has_measurements(target):
            yield None
            return
        with self.workspace.store(target) as store:
            yield store

    def _collection(self, target: Target, models: Models) -> AbstractContextManager[Collection]:
        model = next(iter(models.values()), None)
        options = self.options
        if model is not None:
            check_tool(model, options.tool)
            options = replace(options, cores=pinned_as(model))
        return self.workspace.collection(target, options, self.callbacks)
