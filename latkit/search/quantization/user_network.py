"""A user's own trained chain, from an ONNX file or a torch module, as the network that `quantize` works on."""

from __future__ import annotations

import tempfile
from pathlib import Path

from torch import nn

from latkit.artifacts.chain_file import read_chain
from latkit.artifacts.weights import for_inference
from latkit.errors import UsageError
from latkit.nn import example_input
from latkit.runtimes import get_runtime
from latkit.search.data import DataSplit
from latkit.search.training.trained_network import TrainedNetwork


def network_of_file(path: Path, data: DataSplit, name: str = "") -> TrainedNetwork:
    """The chain of an ONNX file that takes normalized images (N, C, H, W), with the classes of the data.

    Raises BadFile, and UsageError for what is no chain of latkit's ops, or has other classes.
    """
    chain = read_chain(path, name or path.stem)
    if chain.network.input_shape != data.shape:
        raise UsageError(f"{path}: expected images of {data.shape}, those of the data, but it takes "
                         f"{chain.network.input_shape}")  # fmt: skip
    return TrainedNetwork(chain.network, chain.weights, data.mean, data.std, data.class_names)


def network_of_module(module: nn.Module, data: DataSplit, name: str = "") -> TrainedNetwork:
    """The same of a torch module, which is exported as ONNX first. It is not changed."""
    with tempfile.TemporaryDirectory(prefix="latkit-") as folder:
        path = Path(folder, "module.onnx")
        get_runtime("onnxruntime").export(for_inference(module), (example_input(data.shape),), path)
        return network_of_file(path, data, name or type(module).__name__)
