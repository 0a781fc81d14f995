"""External (ONNX) networks as targets take them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from latkit._io import one_line
from latkit.artifacts import check_takes_graphs
from latkit.graphs import Graph
from latkit.ops import Network
from latkit.progress import OnMessage
from latkit.runtimes.onnx.file import Shapes, takes_batch
from latkit.runtimes.onnx.graph import read_graph
from latkit.runtimes.onnx.network import read_subject
from latkit.targets import Target


def input_shapes(graph: Graph) -> dict[str, list[int]]:
    """The shapes that a graph takes, under the input names of its file."""
    names = graph.input_names or [f"input {place}" for place in range(len(graph.inputs))]
    return {name: list(tensor.shape) for name, tensor in zip(names, graph.inputs, strict=True)}


def shown_inputs(graph: Graph) -> str:
    """The same in one line, such as `image=1x3x224x224`."""
    sizes = {name: "x".join(map(str, shape)) or "1" for name, shape in input_shapes(graph).items()}
    return one_line(", ".join(f"{name}={size}" for name, size in sizes.items())) or "no size"


def read_for(target: Target, file: Path, shapes: Shapes, on_message: OnMessage) -> Network | Graph:
    """The network of a file as a target takes it: with its batch. Reports if the file fixes another. Raises BadFile."""
    workload = read_subject(file, shapes, target.batch)
    if isinstance(workload, Graph) and not any(takes_batch(tensor.shape, target.batch) for tensor in workload.inputs):
        on_message(f"{file} takes {shown_inputs(workload)}: no batch of {target.batch}, as {target} stands for")
    return workload


def read_graphs(targets: Sequence[Target], file: Path, shapes: Shapes) -> dict[Target, Graph]:
    """The graph of an ONNX file as every target takes it. Raises BadFile, and UsageError if no target takes one."""
    if len(targets) == 1:  # of several, each fails on its own
        check_takes_graphs(targets[0])
    return {target: read_graph(file, shapes, target.batch) for target in targets}
