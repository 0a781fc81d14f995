"""The verb `predict`: a network's latency, op by op or kernel by kernel."""

from __future__ import annotations

from dataclasses import dataclass

from latkit.errors import NotMeasured
from latkit.graphs import Graph
from latkit.latency_models import AdditiveModel
from latkit.latency_models.kernels import Prediction
from latkit.ops import Network
from latkit.progress import Callbacks
from latkit.timing import Estimate
from latkit.workspace.external_models import read_for
from latkit.workspace.measured import MeasuredLatency, measured_latency
from latkit.workspace.models import ModelFitting
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

    graph: Graph
    prediction: Prediction | None
    """None where no kernel of it is known, and it was measured as a whole."""
    measured: MeasuredLatency | None = None
    """Where this network, or the file itself, was measured as a whole."""


def predict(
    workspace: ModelFitting, request: PredictRequest, callbacks: Callbacks
) -> NetworkPrediction | GraphPrediction:
    """Predict by the target's model of ops, or of kernels for a graph. Raises BadFile, NotMeasured."""
    target = request.target
    if not workspace.has_model(target, request.model):
        workspace.device(target.device)
    workload = read_for(target, request.network, request.shapes, callbacks.on_message)
    if isinstance(workload, Graph):
        return _predict_graph(workspace, request, workload, callbacks)
    model = workspace.model_for(target, workload, request.model)
    measured = measured_latency(workspace, target, workload, request.network)
    return NetworkPrediction(workload, model, model.predict(workload), tuple(model.network_seconds(workload)), measured)


def _predict_graph(
    workspace: ModelFitting, request: PredictRequest, graph: Graph, callbacks: Callbacks
) -> GraphPrediction:
    """The measured latency of a graph, and the predicted one; raises NotMeasured where there is neither."""
    measured = measured_latency(workspace, request.target, graph, request.network)
    try:
        predicted = workspace.kernel_model(request.target).predict(graph)
    except NotMeasured as error:
        if measured is None:
            raise
        callbacks.on_message(f"not predicted: {error}")
        return GraphPrediction(graph, None, measured)
    return GraphPrediction(graph, predicted, measured)
