"""Networks as files: latkit's own, which travel in the metadata of ONNX files it exported, and any other ONNX file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from latkit.errors import BadFile, UsageError
from latkit.graphs import Graph
from latkit.ops import Network
from latkit.runtimes.onnx_graph import Shapes, read_graph

METADATA_KEY = "latkit.network"


def embed_network(path: str | os.PathLike[str], network: Network) -> None:
    """Write the network into the metadata of the ONNX file it was exported to."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(network.to_json())})
    onnx.save(model, path)


def read_subject(path: str | os.PathLike[str], shapes: Shapes | None = None) -> Network | Graph:
    """The network of a JSON file or of an ONNX file that latkit exported; the graph of any other ONNX file.

    `shapes` are those of `read_graph`. Raises BadFile.
    """
    if Path(path).suffix != ".onnx" or _words(path).get(METADATA_KEY):
        return read_network(path)
    return read_graph(path, shapes)


def _words(path: str | os.PathLike[str]) -> dict[str, str]:
    """The words of an ONNX file's metadata; none where it cannot be read, which is told by whoever reads it next."""
    try:
        model = onnx.load(path, load_external_data=False)
    except (OSError, DecodeError):
        return {}
    return {entry.key: entry.value for entry in model.metadata_props}


def read_network(path: str | os.PathLike[str]) -> Network:
    """The network of a JSON file, or of an ONNX file that latkit exported. Raises BadFile."""
    if Path(path).suffix != ".onnx":
        return Network.load(path)
    expected = "a network as ONNX"
    try:
        model = onnx.load(path, load_external_data=False)
        onnx.checker.check_model(model)
    except FileNotFoundError:
        raise BadFile(path, expected, "no such file") from None
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        raise BadFile(path, expected, f"no ONNX model ({str(error).splitlines()[0]})") from error
    words = {entry.key: entry.value for entry in model.metadata_props}
    if METADATA_KEY not in words:
        raise BadFile(path, "an ONNX file that latkit exported, with its ops in the metadata", "none in it")
    try:
        return Network.from_json(json.loads(words[METADATA_KEY]))
    except (ValueError, UsageError) as error:
        raise BadFile(path, "an ONNX file that latkit exported", str(error)) from error
