"""Constants of an ONNX file: which values are needed, and where they are stored."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from latkit._io import reading
from latkit.errors import BadFile
from latkit.graphs.onnx.deciding import SHAPE_INPUTS
from latkit.runtimes.onnx.quantized import scale_names

FEW = 64
"""A constant of more floats is a weight: its values are dropped."""

MAX_BYTES = 2**28
"""Maximum size of a constant whose values are needed."""

FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
_DATA = ("raw_data", "float_data", "double_data", "int32_data", "int64_data", "uint64_data", "string_data")


def shape_input_names(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    """Names of the values that determine a shape."""
    return {
        node.input[place]
        for node in nodes
        for place in SHAPE_INPUTS.get(node.op_type, ())
        if place < len(node.input) and node.input[place]
    }


def lift_constants(graph: onnx.GraphProto) -> None:
    """Turn Constant nodes into initializers of the graph, so that all constants are in one place."""
    remaining = []
    for node in graph.node:
        tensor = _held(node)
        if tensor is None:
            remaining.append(node)
        else:
            tensor.name = node.output[0]
            graph.initializer.append(tensor)
    del graph.node[:]
    graph.node.extend(remaining)


def _held(node: onnx.NodeProto) -> TensorProto | None:
    """The tensor of a Constant node; None for others, and for text or a sparse tensor."""
    if node.op_type != "Constant" or node.domain not in ("", "ai.onnx") or len(node.output) != 1:
        return None
    (attribute, *more) = node.attribute or [AttributeProto()]
    if more:
        return None
    if attribute.name == "value":
        tensor = TensorProto()
        tensor.CopyFrom(attribute.t)
        return tensor
    if attribute.name in ("value_float", "value_floats"):
        single = attribute.name == "value_float"
        floats = [attribute.f] if single else list(attribute.floats)
        return helper.make_tensor("", TensorProto.FLOAT, [] if single else [len(floats)], floats)
    if attribute.name in ("value_int", "value_ints"):
        single = attribute.name == "value_int"
        integers = [attribute.i] if single else list(attribute.ints)
        return helper.make_tensor("", TensorProto.INT64, [] if single else [len(integers)], integers)
    return None


def split_weights(graph: onnx.GraphProto, source: object, folder: Path | None) -> set[str]:
    """Turn weights into inputs of the graph, and read the values that are needed; returns the names of the weights.

    Integers and booleans are needed, and floats that determine shapes. Where other floats have no values, as in a
    structure without weights or without its data file, they are weights too. Raises BadFile.
    """
    deciding, scales = shape_input_names(graph.node), scale_names(graph.node)
    weights: dict[str, TensorProto] = {}
    remaining: dict[str, TensorProto] = {}
    for tensor in graph.initializer:
        floats = tensor.data_type in FLOATS
        bytes_ = tensor.data_type in (TensorProto.INT8, TensorProto.UINT8)
        if (floats or bytes_) and math.prod(tensor.dims) > FEW and tensor.name not in deciding | scales:
            weights[tensor.name] = tensor
        elif _fill(tensor, source, folder, needed=not floats or tensor.name in deciding):
            remaining[tensor.name] = tensor
        else:
            weights[tensor.name] = tensor
    inputs = [value for value in graph.input if value.name not in weights and value.name not in remaining]
    inputs += [helper.make_tensor_value_info(n, t.data_type, list(t.dims)) for n, t in weights.items()]
    initializers = list(remaining.values())
    del graph.input[:], graph.initializer[:]
    graph.input.extend(inputs)
    graph.initializer.extend(initializers)
    return set(weights)


def _fill(tensor: TensorProto, source: object, folder: Path | None, *, needed: bool) -> bool:
    """Whether a constant has its values; external ones are read from its data file."""
    if tensor.data_location == TensorProto.EXTERNAL:
        if not needed and not _data_path(tensor, folder).is_file():
            return False
        _read_external(tensor, source, folder)
        return True
    empty = math.prod(tensor.dims) == 0
    if empty or any(len(getattr(tensor, name)) for name in _DATA):
        return True
    if needed:
        raise BadFile(source, f"values in its tensor {tensor.name!r}, which may decide a shape", "none")
    return False


def _data_path(tensor: TensorProto, folder: Path | None) -> Path:
    location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
    return (folder or Path()) / location


def _read_external(tensor: TensorProto, source: object, folder: Path | None) -> None:
    """Read a tensor's external values into the tensor, from a regular file in the model's folder only."""
    path = _data_path(tensor, folder)
    expected = f"its tensor {tensor.name!r} in {path}"
    location_fields = {entry.key: entry.value for entry in tensor.external_data}
    if folder is None or not _is_in_folder(path, folder, Path(str(source))):
        raise BadFile(
            source, "data in files beside it", f"its tensor {tensor.name!r} in {location_fields.get('location')!r}"
        )
    with reading(source, expected):
        size_bytes = math.prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        if size_bytes > MAX_BYTES or min(tensor.dims, default=0) < 0:
            raise BadFile(source, expected, f"{size_bytes} bytes, more than {MAX_BYTES}")
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise BadFile(source, expected, "no regular file there")
            file.seek(int(location_fields.get("offset", "0")))
            content = file.read(size_bytes)
    if len(content) != size_bytes or int(location_fields.get("length", size_bytes)) != size_bytes:
        raise BadFile(source, f"{size_bytes} bytes of {expected}", f"{len(content)} of them")
    tensor.ClearField("external_data")
    tensor.data_location = TensorProto.DEFAULT
    tensor.raw_data = content


def _is_in_folder(path: Path, folder: Path, model: Path) -> bool:
    """Whether the path is in the model's folder, or in that of the file that the model's name links to."""
    try:
        found = path.resolve()
        places = folder.resolve(), model.resolve().parent
    except (OSError, RuntimeError, ValueError):
        return False
    return any(found.is_relative_to(place) for place in places)


def nested_tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """Every tensor of a node, including those in branches."""
    waiting = [graph]
    while waiting:
        for node in waiting.pop().node:
            for attribute in node.attribute:
                if attribute.type == AttributeProto.TENSOR:
                    yield attribute.t
                for branch in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                    yield from branch.initializer
                    waiting.append(branch)


def as_numbers(tensor: TensorProto) -> tuple[int | float, ...]:
    """A tensor's values, flat."""
    return tuple(numpy_helper.to_array(tensor).reshape(-1).tolist())
