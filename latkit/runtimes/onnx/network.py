"""Networks as files: latkit's own, embedded in the metadata of the ONNX files it exports, and other ONNX files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import onnx

from latkit._io import atomic_write, describe_error, parse_json, read_bytes, reading
from latkit.errors import BadFile, UsageError
from latkit.graphs import Graph
from latkit.ops import Network
from latkit.runtimes.onnx.file import EXPECTED, MAX_FILE_BYTES, Shapes, load_model
from latkit.runtimes.onnx.graph import graph_of_model

METADATA_KEY = "latkit.network"


def embed_network(path: str | os.PathLike[str], network: Network) -> None:
    """Write the network into the metadata of its exported ONNX file."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(network.to_json())})
    with atomic_write(path) as temporary:
        onnx.save(model, temporary)


def read_subject(path: str | os.PathLike[str], shapes: Shapes | None = None, batch: int = 1) -> Network | Graph:
    """The network of a JSON file or of an ONNX file that latkit exported; the graph of any other ONNX file.

    `shapes` and `batch` are those of `read_graph`. Raises BadFile.
    """
    found = read_network_of(path, shapes)
    return graph_of_model(load_model(path), path, shapes or {}, Path(path).stem, batch) if found is None else found


def read_network_of(path: str | os.PathLike[str], shapes: Shapes | None = None) -> Network | None:
    """The network of a JSON file or of an ONNX file that latkit exported; None for any other ONNX file.

    Raises BadFile, also for shapes that are requested of a network of latkit's.
    """
    if _is_json(path):
        _check_unshaped(path, shapes)
        return Network.load(path)
    model = load_model(path)
    if not _metadata(model).get(METADATA_KEY):
        return None
    _check_unshaped(path, shapes)
    return _network_of_model(model, path)


def read_network(path: str | os.PathLike[str]) -> Network:
    """The network of a JSON file, or of an ONNX file that latkit exported. Raises BadFile."""
    if _is_json(path):
        return Network.load(path)
    return _network_of_model(load_model(path), path)


def _is_json(path: str | os.PathLike[str]) -> bool:
    """Whether a file is JSON, by its name or its first bytes. Raises BadFile where it cannot be read."""
    if Path(path).suffix in (".json", ".onnx"):
        return Path(path).suffix == ".json"
    return read_bytes(path, "a network as ONNX or JSON", MAX_FILE_BYTES).lstrip()[:1] == b"{"


def _check_unshaped(path: str | os.PathLike[str], shapes: Shapes | None) -> None:
    if shapes:
        raise BadFile(path, "an ONNX file with sizes left open for --shape", "a network of latkit's, which has none")


def _metadata(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def _network_of_model(model: onnx.ModelProto, path: str | os.PathLike[str]) -> Network:
    with reading(path, EXPECTED):
        try:
            onnx.checker.check_model(model)
        except onnx.checker.ValidationError as error:
            found = f"what onnx's checker refuses: {describe_error(error)}"
            raise BadFile(path, EXPECTED, found).with_detail(error) from error
    metadata = _metadata(model)
    if METADATA_KEY not in metadata:
        raise BadFile(path, "an ONNX file that latkit exported, with its ops in the metadata", "none in it")
    with reading(path, "an ONNX file that latkit exported"):
        try:
            return Network.from_json(parse_json(metadata[METADATA_KEY]))
        except BadFile:
            raise
        except UsageError as error:
            raise BadFile(path, "an ONNX file that latkit exported", str(error)) from error
