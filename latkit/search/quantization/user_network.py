"""A user's own trained chain, from an ONNX file or a torch module, as the network that `quantize` works on."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import torch
from torch import nn

from latkit.artifacts.chain_file import Chain, read_chain
from latkit.artifacts.weights import for_inference
from latkit.errors import BadFile, UsageError
from latkit.nn import example_input
from latkit.runtimes import runtime_of_file
from latkit.search.data import DataSplit
from latkit.search.tasks import DEFAULT_TASK
from latkit.search.training.trained_network import TrainedNetwork

MAX_DIFFERENCE = 1e-3
"""Maximum difference of outputs, relative to the largest: what rounding makes is far less."""


def network_of_file(path: Path, data: DataSplit, name: str = "", task: str = DEFAULT_TASK) -> TrainedNetwork:
    """The chain of an ONNX file that takes normalized images (N, C, H, W), with the classes of the data.

    Raises BadFile, and UsageError for what is no chain of latkit's ops, or has other classes.
    """
    chain = read_chain(path, name or path.stem)
    if chain.network.input_shape != data.shape:
        raise UsageError(f"{path}: expected images of {data.shape}, those of the data, but it takes "
                         f"{chain.network.input_shape}")  # fmt: skip
    found = TrainedNetwork(chain.network, chain.weights, data.mean, data.std, data.class_names, task)
    _check_outputs(path, found.layers, chain)
    return found


def _check_outputs(path: Path, layers: nn.Module, chain: Chain) -> None:
    """Raise UsageError where the ops compute something else than the file: a node has a setting that no op has."""
    runtime = runtime_of_file(path)
    images = torch.randn(chain.batch, *chain.network.input_shape, generator=torch.Generator().manual_seed(0))
    try:
        expected = runtime.load(path)(images)
    except Exception as error:  # a runtime raises many kinds
        raise BadFile(path, f"a network that {runtime.name} runs", "one that it refuses").with_detail(error) from error
    with torch.inference_mode():
        found = layers(images)
    difference = float((found - expected).abs().max()) if found.shape == expected.shape else math.inf
    if not difference <= MAX_DIFFERENCE * float(expected.abs().max()):
        raise UsageError(
            f"{path}: expected a chain that latkit's ops repeat, but their outputs differ by up to {difference:.3g}: "
            "a node has a setting that no op has, such as other axes"
        )


def network_of_module(module: nn.Module, data: DataSplit, name: str = "", task: str = DEFAULT_TASK) -> TrainedNetwork:
    """The same of a torch module, which is exported as ONNX first. It is not changed."""
    with tempfile.TemporaryDirectory(prefix="latkit-") as folder:
        path = Path(folder, "module.onnx")
        runtime_of_file(path).export(for_inference(module), (example_input(data.shape),), path)
        return network_of_file(path, data, name or type(module).__name__, task)
