"""The verb `collect`: what a request asks for becomes workloads, measured on every target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from latkit.artifacts import check_takes_graphs
from latkit.errors import UsageError
from latkit.evaluation.validation import fit_networks
from latkit.graphs import Graph
from latkit.layout import fit_workloads
from latkit.layout.external_models import ExternalModel
from latkit.ops import OVERHEAD_PROBE, Network
from latkit.profiling import Collection, CollectionSummary
from latkit.profiling.active_learning import explore
from latkit.profiling.fusion_probes import collect_kernels, collect_models
from latkit.profiling.pair_probes import pair_probes
from latkit.profiling.scheduler import Job, Outcome, schedule
from latkit.progress import Callbacks
from latkit.spaces import Space
from latkit.spaces.precisions import used_precisions
from latkit.targets import Target
from latkit.timing import Workload
from latkit.workspace.models.latest_latency import file_content
from latkit.workspace.precisions import check_precisions
from latkit.workspace.profiling.external_models import check_takes_files, read_graphs, shown_inputs
from latkit.workspace.profiling.target_session import MeasuringWorkspace
from latkit.workspace.requests.base import CollectRequest


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done on every target."""

    check: Callable[[Target], None]
    """Raises UsageError for a target that cannot do it, before its device is used."""
    run: Callable[[Target, Collection], CollectionSummary]
    workloads: Sequence[Workload] = ()
    """Those that are known beforehand."""


def collect(workspace: MeasuringWorkspace, request: CollectRequest, callbacks: Callbacks) -> list[Outcome]:
    """Measure what every target lacks; the outcome of each.

    An error on one of several targets is in its outcome; on a single one it is raised, as `MeasuringWorkspace`'s
    `collection` and `Collection.run` do. Raises UsageError for a request that contradicts itself.
    """
    _check(request)
    targets = tuple(dict.fromkeys(request.targets))
    tool = request.tool(targets)
    devices = {target: workspace.device(target.device) for target in targets}
    options = {target: request.options(device, tool) for target, device in devices.items()}
    if request.space is not None:
        work = _space_work(workspace, request, request.space)
    else:
        work = _graph_work(workspace, request, callbacks)

    def one(target: Target, callbacks: Callbacks) -> CollectionSummary:
        work.check(target)
        with workspace.collection(target, options[target], callbacks) as collection:
            return work.run(target, collection)

    return schedule(Job(devices, one, workspace.exporter, work.workloads), callbacks)


def _check(request: CollectRequest) -> None:
    """Raise UsageError unless exactly one of space, kernels and model is given."""
    given = {"a space": request.space, "kernels": request.kernels, "a model": request.models or None}
    found = [name for name, value in given.items() if value is not None]
    if len(found) != 1:
        raise UsageError(f"expected either {' or '.join(given)} to collect, but found {', '.join(found) or 'none'}")


def _space_work(workspace: MeasuringWorkspace, request: CollectRequest, space: Space) -> _Work:
    """A space's ops and some of its networks, or with sources the most informative networks alone."""
    workloads: list[Workload]
    networks: list[Network] = []
    if request.sources:
        if len(set(request.targets)) != 1:
            raise UsageError(f"expected one new target beside --from, but found {len(set(request.targets))}")
        found = workspace.networks_to_measure(request.targets[0], request.sources, space, request.networks)
        workloads = [OVERHEAD_PROBE, *found]
    else:
        networks = fit_networks(space, request.networks)
        workloads = [*fit_workloads(space), *networks]

    def left_s(summary: CollectionSummary) -> float | None:
        return None if request.max_seconds is None else max(request.max_seconds - summary.seconds, 0.0)

    def run(target: Target, collection: Collection) -> CollectionSummary:
        check_precisions(workspace, collection, target, used_precisions(space))
        summary = collection.run(workloads, max_seconds=request.max_seconds)
        probes = [] if request.sources else pair_probes(space, target)
        if probes and summary.finished:
            summary = summary.plus(collection.run(probes, role="pair", max_seconds=left_s(summary)))
        if networks and summary.finished:  # at another time: see `fit_calibration`
            again = collection.run(networks, repetition=1, max_seconds=left_s(summary))
            summary = summary.plus(replace(again, workloads=0))
        if not request.ops or not summary.finished:
            return summary
        return summary.plus(explore(collection, space, request.ops, left_s(summary)))

    return _Work(lambda _target: None, run, workloads)


def _graph_work(workspace: MeasuringWorkspace, request: CollectRequest, callbacks: Callbacks) -> _Work:
    """Kernels of latkit's own networks, or those of model files."""
    graphs: Mapping[Target, Mapping[Path, Graph]] = {}
    files = tuple(dict.fromkeys(request.models))
    if files:
        graphs = read_graphs(tuple(dict.fromkeys(request.targets)), files, request.shapes)
    for target, file, graph in [(target, *one) for target, found in graphs.items() for one in found.items()]:
        callbacks.on_message(f"{target}: {file} with inputs of {shown_inputs(graph)}")

    def run(target: Target, collection: Collection) -> CollectionSummary:
        path = workspace.fusion_path(target)
        if target in graphs:
            _save_records(workspace.target_dir(target), target, graphs[target])
            summary = collect_models(collection, path, tuple(graphs[target].values()), request.max_seconds)
        else:
            summary = collect_kernels(collection, path, request.kernels or 0, request.max_seconds)
        if summary.rounds:  # the next prediction fits it again, on these as well
            workspace.kernel_model_path(target).unlink(missing_ok=True)
        return summary

    def check(target: Target) -> None:
        check_takes_files(target, files) if files else check_takes_graphs(target)

    return _Work(check, run)


def _save_records(folder: Path, target: Target, graphs: Mapping[Path, Graph]) -> None:
    """Write what the report needs of each file beside its measured graph: the names of its nodes."""
    for file, graph in graphs.items():
        ExternalModel.of(file, graph, file_content(file, graph, target)).save(folder)
