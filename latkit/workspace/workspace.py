"""The workspace and its verbs: each takes a request, calls one room, and keeps the result."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from latkit import report
from latkit.layout.jobs import Job, recorded
from latkit.progress import SILENT, Callbacks
from latkit.search import DataSplit, TrainedNetwork
from latkit.search.records.reproduce import Reproduction
from latkit.search.records.strategy import StrategyRecord
from latkit.tables import ElasticTable, LatencyTable
from latkit.targets import Target
from latkit.workspace.compare import Comparison, compare
from latkit.workspace.models.tables import ImportedTable, export_table, import_table
from latkit.workspace.quantize import QuantizeRun, quantize
from latkit.workspace.requests import (
    BenchmarkSearchRequest,
    CompareRequest,
    ExportTableRequest,
    ImportTableRequest,
    ReportRequest,
    ReproduceRequest,
    SearchRequest,
    SpecializeRequest,
    TrainSupernetRequest,
)
from latkit.workspace.requests.quantize import QuantizeRequest
from latkit.workspace.searches.benchmark_search import search_benchmark
from latkit.workspace.searches.reproduce import reproduce
from latkit.workspace.searches.saved_request import saved_request
from latkit.workspace.searches.search import SearchRun, search
from latkit.workspace.supernets.specialize import SpecializeRun, specialize
from latkit.workspace.supernets.supernet import SupernetRun, train_supernet
from latkit.workspace.target_verbs import TargetVerbs


class Workspace(TargetVerbs):
    """A folder with `devices/`, `measurements/` and `search/` in it, and the verbs of the command line."""

    def export_table(self, request: ExportTableRequest) -> LatencyTable | ElasticTable:
        """Write the latency table of a space, and return it."""
        return export_table(self, request)

    def import_table(self, request: ImportTableRequest) -> ImportedTable:
        """Save a published table as a target's look-up model."""
        return import_table(self, request)

    def search(self, request: SearchRequest, callbacks: Callbacks = SILENT, data: DataSplit | None = None) -> SearchRun:
        """Search, train, export and measure; write reports. `data`: images in memory, instead of the request's."""
        with self._job("search", request.name, callbacks, request.targets) as callbacks:
            return search(self, request, callbacks, data)

    def train_supernet(
        self, request: TrainSupernetRequest, callbacks: Callbacks = SILENT, data: DataSplit | None = None
    ) -> SupernetRun:
        """Train the weights of an elastic space. `data`: images in memory, instead of the request's."""
        with self._job("train-supernet", request.name, callbacks) as callbacks:
            return train_supernet(self, request, callbacks, data)

    def quantize(
        self,
        request: QuantizeRequest,
        callbacks: Callbacks = SILENT,
        trained: TrainedNetwork | None = None,
        data: DataSplit | None = None,
    ) -> QuantizeRun:
        """Choose the precision of every op of a trained network. `trained` and `data`: instead of the request's."""
        with self._job("quantize", request.output_name, callbacks, (request.target,)) as callbacks:
            return quantize(self, request, callbacks, trained, data)

    def saved_request(self, name: str) -> SearchRequest | BenchmarkSearchRequest:
        """The request of a search, to be resumed. Raises UsageError where there is none, and BadFile."""
        return saved_request(self, name)

    def search_benchmark(self, request: BenchmarkSearchRequest, callbacks: Callbacks = SILENT) -> StrategyRecord:
        """Replay a search by a strategy on a table of real results, and write its report."""
        with self._job("search --benchmark", request.name, callbacks) as callbacks:
            return search_benchmark(self, request, callbacks)

    def specialize(
        self, request: SpecializeRequest, callbacks: Callbacks = SILENT, data: DataSplit | None = None
    ) -> SpecializeRun:
        """Find sub-networks of a supernet for targets and latencies. `data`: images in memory."""
        with self._job("specialize", request.name, callbacks, request.targets) as callbacks:
            return specialize(self, request, callbacks, data)

    def reproduce(self, request: ReproduceRequest, callbacks: Callbacks = SILENT) -> Reproduction:
        """Run a finished search again, and compare the two bit for bit."""
        with self._job("reproduce", request.name, callbacks) as callbacks:
            return reproduce(self, request, callbacks)

    def compare(self, request: CompareRequest, callbacks: Callbacks = SILENT) -> Comparison:
        """Measure the networks of searches on each other's targets, and save the cross table."""
        with self._job("compare", ", ".join(request.names), callbacks, request.targets) as callbacks:
            return compare(self, request, callbacks)

    def report(self, request: ReportRequest) -> Path:
        """Write a page about a target, a search, or the whole workspace."""
        report.write_report(self, request.about, request.output)
        return request.output

    def _job(
        self, command: str, name: str, callbacks: Callbacks, targets: Iterable[Target] = ()
    ) -> AbstractContextManager[Callbacks]:
        """The callbacks of a job whose progress is recorded."""
        return recorded(self.root, Job(command, tuple(map(str, targets)), name), callbacks)
