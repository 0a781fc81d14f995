"""Torch modules as graphs, through ONNX."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

from latkit.errors import ExportError, LatkitError
from latkit.graphs import OPSET, Graph
from latkit.runtimes.onnx.graph import read_graph


def graph_of_module(module: Any, example: Any) -> Graph:
    """The graph of a torch module in evaluation mode, for inputs of the shape of `example`, a tensor.

    Raises ExportError where torch cannot export it.
    """
    import torch

    name, training = type(module).__name__, module.training
    try:
        with tempfile.TemporaryDirectory(prefix="latkit-") as folder, warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            written = Path(folder, f"{name}.onnx")
            torch.onnx.export(module.eval(), (example,), written, dynamo=False, opset_version=OPSET)
            return read_graph(written)
    except LatkitError:
        raise
    except Exception as error:  # an exporter may raise anything
        raise ExportError(f"cannot export {name}: {type(error).__name__}: {error}") from error
    finally:
        module.train(training)
