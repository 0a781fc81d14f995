"""The verb `quantize`: the precision of every op of a trained network, under a bound, from measurements on a target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latkit.artifacts.chain_file import read_chain
from latkit.errors import NotMeasured, UsageError
from latkit.evaluation.validation import MeasuredNetwork, measure_network
from latkit.latency_models import AdditiveModel
from latkit.ops.precision import FP32
from latkit.progress import Callbacks
from latkit.runtimes import get_runtime
from latkit.search import DataSplit, Recipe, TrainedNetwork, load_data, load_network
from latkit.search.quantization.folder import begin, finished_result
from latkit.search.quantization.problem import PolicyProblem
from latkit.search.quantization.records import (
    CHECKPOINT_FILE,
    QUANTIZED_FILE,
    LayerPolicy,
    QuantizeInputs,
    QuantizeResult,
    Variant,
)
from latkit.search.quantization.run import Quantizer
from latkit.search.quantization.user_network import network_of_file
from latkit.search.records.base import load_record
from latkit.search.records.result import FILES
from latkit.spaces import Architecture, ChainSpace
from latkit.spaces.precisions import common_precisions, network_precisions, uniform_policy
from latkit.tables import LatencyTable
from latkit.tables.additive import AdditiveTable
from latkit.tables.cost_table import fixed_ops, per_candidate
from latkit.workspace.collect import collect
from latkit.workspace.profiling.target_session import MeasureOptions, MeasuringWorkspace
from latkit.workspace.requests.base import CollectRequest
from latkit.workspace.requests.quantize import QuantizeRequest


@dataclass(frozen=True, slots=True)
class QuantizeRun:
    """The result and its folder."""

    result: QuantizeResult
    folder: Path

    def document(self) -> dict[str, Any]:
        """The figures that the command line prints."""
        return {**self.result.model_dump(mode="json", exclude={"format"}), "folder": str(self.folder)}


def quantize(
    workspace: MeasuringWorkspace,
    request: QuantizeRequest,
    callbacks: Callbacks,
    trained: TrainedNetwork | None = None,
    data: DataSplit | None = None,
) -> QuantizeRun:
    """Choose a policy, train it shortly, export it and run the files. `trained` and `data`: instead of the request's.

    Missing measurements of ops and boundaries are collected first. Everything is saved in `search/NAME/`; the same
    request goes on where it was interrupted. Raises UsageError for a network that is quantized already or is no chain,
    a precision that the target does not execute, calibration images of another shape, a bound on energy, and another
    task than the network's; TargetOutOfReach for a bound below the cheapest policy.
    """
    folder = workspace.search_dir(request.output_name)
    request.check_bound()
    network, images = _trained(workspace, request, trained, data)
    request = _of_task(request, network.task)
    space = network_precisions(network.network, request.precisions)
    if images.shape != network.network.input_shape:
        raise UsageError(
            f"expected images of shape {network.network.input_shape} to calibrate on, but found {images.shape}"
        )
    inputs = _inputs(request, network, images)
    saved = finished_result(folder, inputs)
    if saved is not None:
        return QuantizeRun(saved, folder)
    model = fit_precisions(workspace, request, space, callbacks)
    latency = LatencyTable(space, model)
    size = size_table(space)
    table, bound = (
        (latency, (request.latency_ms or 0) / 1e3) if request.latency_ms else (size, (request.size_mb or 0) * 1e6)
    )
    problem = PolicyProblem(space, table, bound)
    begin(folder, inputs)
    quantizer = Quantizer(network, images, request.settings, callbacks.progress)
    work = _Work(workspace, request, problem, latency, size, quantizer, folder, callbacks)
    result = work.run(model, inputs)
    result.save(folder / QUANTIZED_FILE)
    return QuantizeRun(result, folder)


@dataclass(frozen=True, slots=True)
class _Work:
    """What a request needs, loaded and fitted."""

    workspace: MeasuringWorkspace
    request: QuantizeRequest
    problem: PolicyProblem
    latency: LatencyTable
    size: SizeTable
    quantizer: Quantizer
    folder: Path
    callbacks: Callbacks

    def run(self, model: AdditiveModel, inputs: QuantizeInputs) -> QuantizeResult:
        """The policies, their files, and their measurements."""
        space = self.problem.space
        found, judged, divergences = self.quantizer.policies(self.problem, self.folder)
        policies = {name: uniform_policy(space, name) for name in common_precisions(space)} | dict(found)
        measured = self._measured(model, policies)
        winner = self.quantizer.winner(self.problem, policies, judged)
        return QuantizeResult(
            target=inputs.target,
            network=self.quantizer.trained.network.title,
            network_key=inputs.network_key,
            quantity=inputs.quantity,
            bound=inputs.bound,
            settings=inputs.settings,
            winner=winner,
            judged_scores=dict(judged),
            layers=self._layers(policies[winner], divergences),
            variants={name: self._variant(name, policies, measured[name]) for name in policies},
        )

    def _measured(self, model: AdditiveModel, policies: Mapping[str, Architecture]) -> dict[str, MeasuredNetwork]:
        options = MeasureOptions(self.request.plan, self.request.wait_s)
        with self.workspace.collection(self.request.target, options, self.callbacks) as collection:
            return {
                name: measure_network(collection, model, self.problem.space.decode(policy, name))
                for name, policy in policies.items()
            }

    def _variant(self, name: str, policies: Mapping[str, Architecture], measured: MeasuredNetwork) -> Variant:
        """Trained unless it is fp32 throughout, exported, and run on the test images. Equal policies train once."""
        runtime, policy = get_runtime(self.request.target.runtime), policies[name]
        path = self.folder / f"{name}{runtime.suffix}"
        trained_as = next(other for other, one in policies.items() if one == policy)
        checkpoint = self.folder / CHECKPOINT_FILE.format(trained_as)
        is_float = name == FP32.name
        simulated = self.quantizer.simulated() if is_float else self.quantizer.train(self.problem, policy, checkpoint)
        self.quantizer.export(simulated, self.problem, policy, runtime, path)
        return Variant(
            predicted_ms=measured.network.predicted_ms,
            measured_ms=measured.network.measured_ms,
            size_mb=self.size.total(policy) / 1e6,
            simulated_score=self.quantizer.simulated_score(simulated),
            score=self.quantizer.file_score(runtime, path),
            file=path.name,
        )

    def _layers(self, policy: Architecture, divergences: list[list[float]]) -> tuple[LayerPolicy, ...]:
        rows, pairs = self.latency.rows(), self.latency.pair_rows()
        layers = []
        for place, (layer, at) in enumerate(zip(self.problem.space.choice_layers, policy, strict=True)):
            pair = pairs[place - 1] if pairs and place else None
            layers.append(
                LayerPolicy(
                    op=layer.candidates[0].title.removesuffix(f" {layer.candidates[0].precision}"),
                    precision=layer.candidates[at].precision,
                    precisions=tuple(op.precision for op in layer.candidates),
                    ms=tuple(1e3 * value for value in rows[place]),
                    divergences=tuple(divergences[place]),
                    boundary_ms=0.0 if pair is None else 1e3 * pair[policy[place - 1]][at],
                )
            )
        return tuple(layers)


class SizeTable(AdditiveTable):
    """Bytes."""

    def format_value(self, value: float) -> str:
        """Bytes as megabytes."""
        return f"{value / 1e6:.6g} MB"


def size_table(space: ChainSpace) -> SizeTable:
    """Bytes of the weights, each in the precision of its op."""
    rows = per_candidate(space, lambda op: float(op.parameter_bytes))
    return SizeTable(space.name, space.key, rows, float(sum(op.parameter_bytes for op in fixed_ops(space))))


def _trained(
    workspace: MeasuringWorkspace, request: QuantizeRequest, trained: TrainedNetwork | None, data: DataSplit | None
) -> tuple[TrainedNetwork, DataSplit]:
    """The network to quantize and its images: those given, or those of an ONNX file or of a finished search."""
    path = request.onnx_path
    if trained is None and path is not None:
        if data is None and request.data is None:
            raise UsageError(f"expected --data, the images that {path} was trained on, but found none")
        channels, *_, size = read_chain(path).network.input_shape
        images = data or load_data(str(request.data), size, channels)
        return network_of_file(path, images, task=request.settings.task), images
    if trained is None:
        trained = load_network(workspace.search_dir(request.model))
    if data is None:
        recipe = workspace.search_dir(request.model) / FILES["recipe"]
        channels, *_, size = trained.network.input_shape
        data = load_data(request.data or load_record(Recipe, recipe).data.source, size, channels)
    return trained, data


def _of_task(request: QuantizeRequest, task: str) -> QuantizeRequest:
    """The request with the network's task in its settings. Raises UsageError where they name another one."""
    settings = request.settings
    if "task" in settings.model_fields_set and settings.task != task:
        raise UsageError(f"expected the task {task}, that {request.model} was trained for, but found {settings.task}")
    return request.model_copy(update={"settings": settings.model_copy(update={"task": task})})


def fit_precisions(
    workspace: MeasuringWorkspace, request: QuantizeRequest, space: ChainSpace, callbacks: Callbacks
) -> AdditiveModel:
    """A model of the network's ops in all precisions; what is missing is measured.

    Raises NotMeasured, with the reason, for what the target refuses.
    """
    planned = {name: getattr(request, name) for name in ("rounds", "round_s", "extra_rounds", "wait_s")}
    collect_request = CollectRequest(targets=(request.target,), space=space, networks=request.networks, **planned)
    outcomes = collect(workspace, collect_request, callbacks)
    failed = {title: reason for one in outcomes if one.summary for title, reason in one.summary.failed.items()}
    try:
        return workspace.fit_model(request.target, space)
    except NotMeasured as error:
        reasons = "; ".join(f"{title} could not be measured: {reason}" for title, reason in failed.items())
        raise NotMeasured(reasons or str(error)) from error


def _inputs(request: QuantizeRequest, network: TrainedNetwork, images: DataSplit) -> QuantizeInputs:
    """What the result follows from."""
    quantity, bound = ("latency_ms", request.latency_ms) if request.latency_ms else ("size_mb", request.size_mb)
    return QuantizeInputs(
        target=str(request.target),
        network_key=network.network.key,
        weights_sha256=network.facts.weights_sha256,
        data_sha256=images.sha256,
        precisions=request.precisions,
        quantity=quantity,  # type: ignore[arg-type]
        bound=bound or math.inf,
        settings=request.settings,
    )
