"""The verb `predict`: a network's latency, op by op or kernel by kernel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from latkit.errors import BadFile, NotMeasured
from latkit.evaluation.measured import MeasuredLatency
from latkit.graphs import Graph
from latkit.latency_models import AdditiveModel
from latkit.latency_models.kernels import Prediction
from latkit.ops import Network
from latkit.progress import Callbacks, OnMessage
from latkit.targets import Target
from latkit.timing import Estimate
from latkit.workspace.models.fitting import ModelFitting
from latkit.workspace.models.latest_latency import measured_file, measured_latency
from latkit.workspace.profiling.external_models import read_for, read_graphs
from latkit.workspace.requests.base import CollectRequest
from latkit.workspace.requests.models import PredictRequest


@dataclass(frozen=True, slots=True)
class NetworkPrediction:
    """The latency of a network of latkit's ops."""

    network: Network
    model: AdditiveModel
    latency: Estimate
    layer_s: tuple[float, ...]
    """Seconds that each op adds, its pairs with its producers included, in the order of `network.ops`."""
    measured: MeasuredLatency | None = None
    """Where this network was measured as a whole."""


@dataclass(frozen=True, slots=True)
class GraphPrediction:
    """The latency of an external network."""

    graph: Graph | None
    """None where the file was measured as a whole, but has branches or loops, and so no kernels."""
    prediction: Prediction | None
    """None where no kernel of it is known, and it was measured as a whole."""
    measured: MeasuredLatency | None = None
    """Where this network, or the file itself, was measured as a whole."""


@dataclass(frozen=True, slots=True)
class ExternalFile:
    """A model file that was read as a graph for a target."""

    target: Target
    file: Path
    graph: Graph


def predict(
    workspace: ModelFitting, request: PredictRequest, callbacks: Callbacks
) -> NetworkPrediction | GraphPrediction:
    """Predict by the target's model of ops, or of kernels for a graph. Raises BadFile, NotMeasured."""
    target = request.target
    if not workspace.has_model(target, request.model):
        workspace.device(target.device)
    try:
        workload = read_for(target, request.network, request.shapes, callbacks.on_message)
    except BadFile as error:
        found = measured_file(workspace, target, request.network, request.shapes)
        if found is None:
            raise
        callbacks.on_message(f"not predicted: {error}")
        return GraphPrediction(None, None, found)
    if isinstance(workload, Graph):
        return predict_graph(workspace, ExternalFile(target, request.network, workload), callbacks.on_message)
    model = workspace.model_for(target, workload, request.model)
    measured = measured_latency(workspace, target, workload, request.network)
    return NetworkPrediction(workload, model, model.predict(workload), tuple(model.network_seconds(workload)), measured)


def predict_graph(workspace: ModelFitting, model: ExternalFile, on_message: OnMessage) -> GraphPrediction:
    """The measured latency of a graph, and the predicted one; raises NotMeasured where there is neither."""
    graph = model.graph
    measured = measured_latency(workspace, model.target, graph, model.file)
    try:
        predicted = workspace.kernel_model(model.target).predict(graph)
    except NotMeasured as error:
        if measured is None:
            raise
        on_message(f"not predicted: {error}")
        return GraphPrediction(graph, None, measured)
    return GraphPrediction(graph, predicted, measured)


def predict_files(
    workspace: ModelFitting, request: CollectRequest, target: Target, on_message: OnMessage
) -> dict[Path, GraphPrediction]:
    """The latencies of the model files that were collected on a target; those without any are left out."""
    found = {}
    files = tuple(dict.fromkeys(request.models))
    for file, graph in read_graphs([target], files, request.shapes)[target].items() if files else ():
        try:
            found[file] = predict_graph(workspace, ExternalFile(target, file, graph), on_message)
        except NotMeasured as error:
            on_message(f"{file}: {error}")
    return found
