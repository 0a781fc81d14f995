"""External (ONNX) networks at the command line: collecting their kernels, and predicting them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from latkit._io import one_line
from latkit.artifacts import check_takes_graphs
from latkit.cli.collecting import Order
from latkit.cli.console import emit_json, note, say, show_table
from latkit.cli.render.predicted import latency_document, latency_line
from latkit.errors import UsageError
from latkit.graphs import Graph
from latkit.latency_models.kernels import Prediction
from latkit.ops import OVERHEAD_PROBE, Network
from latkit.profiling import CollectionSummary
from latkit.profiling.fusion_probes import collect_kernels, collect_model
from latkit.progress import Progress
from latkit.runtimes.onnx.file import Shapes, takes_batch
from latkit.runtimes.onnx.graph import read_graph
from latkit.runtimes.onnx.network import read_subject
from latkit.targets import Target
from latkit.timing import Workload
from latkit.workspace import Workspace

SHOWN = 30
"""A terminal shows this many kernels, the slowest ones; --json has all of them."""


@dataclass(frozen=True, slots=True)
class OnnxOrder(Order):
    """What is collected for external networks."""

    kernels: int = 0
    """How many kernels of all kinds; None where a model's own kernels are requested."""
    models: Mapping[Target, Graph] = field(default_factory=dict)
    """The model as every target takes it: with its batch."""

    def collect(self, target: Target, progress: Progress, on_message: Callable[[str], None]) -> CollectionSummary:
        """Collect on one target. Raises UsageError if the target takes no graphs, else as Collection.run does."""
        check_takes_graphs(target)
        with self.collection(target, progress, on_message) as collection:
            path = self.workspace.fusion_path(target)
            if target in self.models:
                return collect_model(collection, path, self.models[target], self.max_seconds)
            return collect_kernels(collection, path, self.kernels, self.max_seconds)


def is_ours(workload: Workload) -> bool:
    """Whether a look-up model can be fitted on it: an op or a network of latkit's, and not only the fixed cost."""
    return not isinstance(workload, Graph) and workload != OVERHEAD_PROBE


def fit_kernels_row(
    workspace: Workspace, target: Target, estimator: str | None, left_out: int
) -> dict[str, str | int | float | None]:
    """Fit the model of external networks; returns what is shown of it next to the other models."""
    model = workspace.fit_kernels(target, estimator)
    calibration = model.calibration_
    return {
        "model": "kernels",
        "estimator": model.origin_.estimator,
        "measurements": len(model.measured_),
        "left_out": left_out,
        "fixed_us": 1e6 * model.fixed_s_,
        "scale": calibration.scale,
        "networks": calibration.networks,
        "error_percent": 100 * calibration.predicted_error,
        "file": str(workspace.kernel_model_path(target)),
    }


def parse_shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Shapes such as `input=1,3,224,224` by name. Raises UsageError."""
    shapes = {}
    for word in texts:
        name, equals, sizes = word.rpartition("=")
        if not equals or not all(size.isdecimal() and int(size) > 0 for size in sizes.split(",")):
            raise UsageError(f"expected a shape such as input=1,3,224,224, but found {word!r}")
        shapes[name] = tuple(int(size) for size in sizes.split(","))
    return shapes


def input_shapes(graph: Graph) -> dict[str, list[int]]:
    """The shapes that a graph takes, under the input names of its file."""
    names = graph.input_names or [f"input {place}" for place in range(len(graph.inputs))]
    return {name: list(tensor.shape) for name, tensor in zip(names, graph.inputs, strict=True)}


def shown_inputs(graph: Graph) -> str:
    """The same in one line, such as `image=1x3x224x224`."""
    sizes = {name: "x".join(map(str, shape)) or "1" for name, shape in input_shapes(graph).items()}
    return one_line(", ".join(f"{name}={size}" for name, size in sizes.items())) or "no size"


def read_for(target: Target, file: Path, shapes: Shapes) -> Network | Graph:
    """The network of a file as a target takes it: with its batch. Reports if the file fixes another. Raises BadFile."""
    workload = read_subject(file, shapes, target.batch)
    if isinstance(workload, Graph) and not any(takes_batch(tensor.shape, target.batch) for tensor in workload.inputs):
        note(f"{file} takes {shown_inputs(workload)}: no batch of {target.batch}, as {target} stands for")
    return workload


def read_graphs(targets: Sequence[Target], file: Path, shapes: Shapes) -> dict[Target, Graph]:
    """The graph of an ONNX file as every target takes it. Raises BadFile, and UsageError if no target takes one."""
    if len(targets) == 1:  # of several, each fails on its own
        check_takes_graphs(targets[0])
    return {target: read_graph(file, shapes, target.batch) for target in targets}


def show_prediction(target: Target, graph: Graph, file: Path, predicted: Prediction, *, as_json: bool) -> None:
    """Print how long an external network takes, and what each of its kernels adds."""
    rows: list[dict[str, str | int | float | None]] = [
        {
            "kernel": row.kind,
            "macs": row.macs,
            "bytes": row.bytes,
            "adds_ms": 1e3 * row.seconds,
            "share_percent": 100 * row.share,
            "known": row.known,
        }
        for row in predicted.kernels
    ]
    if as_json:
        emit_json(
            {
                "target": str(target),
                "network": file.stem,
                "model": "kernels",
                **latency_document(predicted),
                "macs": graph.macs,
                "parameters": graph.parameters,
                "inputs": input_shapes(graph),
                "few_measured": list(predicted.few_measured),
                "kernels": rows,
            }
        )
        return
    longest = sorted(rows, key=lambda row: -float(row["adds_ms"] or 0))[:SHOWN]
    show_table(f"{file.stem} on {target}: {len(longest)} of {len(rows)} kernels", longest)
    say(f"for inputs of {shown_inputs(graph)}")
    say(latency_line(predicted))
    if predicted.few_measured:
        note(
            f"few kernels of these kinds were measured, so the interval is wide: {', '.join(predicted.few_measured)}; "
            f"measure this network's own with: latkit collect {target} --model {shlex.quote(str(file))}"
        )
