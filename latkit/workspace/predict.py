"""The verb `predict`: a network's latency, op by op or kernel by kernel."""

from __future__ import annotations

from dataclasses import dataclass

from latkit.graphs import Graph
from latkit.latency_models import AdditiveModel
from latkit.latency_models.kernels import Prediction
from latkit.ops import Network
from latkit.progress import Callbacks
from latkit.timing import Estimate
from latkit.workspace.models import ModelFitting
from latkit.workspace.onnx_models import read_for
from latkit.workspace.requests.models import PredictRequest


@dataclass(frozen=True, slots=True)
class NetworkPrediction:
    """The latency of a network of latkit's ops."""

    network: Network
    model: AdditiveModel
    latency: Estimate
    layer_s: tuple[float, ...]
    """Seconds that each op adds, in the order of `network.ops`."""


@dataclass(frozen=True, slots=True)
class GraphPrediction:
    """The latency of an external network."""

    graph: Graph
    prediction: Prediction


def predict(
    workspace: ModelFitting, request: PredictRequest, callbacks: Callbacks
) -> NetworkPrediction | GraphPrediction:
    """Predict by the target's model of ops, or of kernels for a graph. Raises BadFile, NotMeasured."""
    target = request.target
    if not workspace.has_model(target, request.model):
        workspace.device(target.device)
    workload = read_for(target, request.network, request.shapes, callbacks.on_message)
    if isinstance(workload, Graph):
        return GraphPrediction(workload, workspace.kernel_model(target).predict(workload))
    model = workspace.model_for(target, workload, request.model)
    return NetworkPrediction(workload, model, model.predict(workload), tuple(model.layer_seconds(workload.ops)))
