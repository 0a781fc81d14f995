"""External networks (ONNX and TFLite files) as targets take them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from latkit._io import one_line
from latkit.artifacts import check_takes_graphs
from latkit.artifacts.files import check_runtime
from latkit.graphs import Graph
from latkit.ops import Network
from latkit.progress import OnMessage
from latkit.runtimes import get_runtime
from latkit.runtimes.onnx.file import Shapes, takes_batch
from latkit.runtimes.onnx.network import read_network_of
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
    """The network of a file as a target takes it: with its batch. Reports if the file fixes another.

    Raises BadFile, and UsageError for a file of another runtime's format.
    """
    is_tflite = file.suffix.lower() == ".tflite"
    network = None if is_tflite else read_network_of(file, shapes)
    if network is not None:
        return network
    check_takes_graphs(target)
    check_runtime(file if is_tflite else file.with_suffix(".onnx"), target)
    graph = get_runtime(target.runtime).read_graph(file, shapes, target.batch)
    if not any(takes_batch(tensor.shape, target.batch) for tensor in graph.inputs):
        on_message(f"{file} takes {shown_inputs(graph)}: no batch of {target.batch}, as {target} stands for")
    return graph


def read_graphs(targets: Sequence[Target], files: Sequence[Path], shapes: Shapes) -> dict[Target, dict[Path, Graph]]:
    """The graphs of files as every target takes them; of several targets, those that do not take all are left out.

    Raises BadFile, and UsageError if the only one does not.
    """
    if len(targets) == 1:
        check_takes_files(targets[0], files)
    return {
        target: {file: get_runtime(target.runtime).read_graph(file, shapes, target.batch) for file in files}
        for target in targets
        if takes_files(target, files)
    }


def takes_files(target: Target, files: Sequence[Path]) -> bool:
    """Whether a target's runtime takes external networks in the formats of all files."""
    runtime = get_runtime(target.runtime)
    return bool(runtime.graph_dialect) and all(file.suffix.lower() == runtime.suffix for file in files)


def check_takes_files(target: Target, files: Sequence[Path]) -> None:
    """Raise UsageError where a target's runtime takes no external networks, or not in one of these formats."""
    for file in files:
        check_takes_file(target, file)


def check_takes_file(target: Target, file: Path) -> None:
    """Raise UsageError where a target's runtime takes no external networks, or not in this format."""
    check_takes_graphs(target)
    check_runtime(file, target)
