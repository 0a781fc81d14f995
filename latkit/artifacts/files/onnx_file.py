"""ONNX files as they are: inputs, the tables that integers index, and external data. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import onnx
from onnx import TensorProto

from latkit._io import one_line, reading
from latkit.artifacts.files.inputs import (
    InputSpec,
    described_inputs,
    random_values,
    read_values,
    resolve_shapes,
    values_sha256,
)
from latkit.artifacts.files.source import (
    FileOp,
    ModelSource,
    SourceRequest,
    file_sha256,
    joined_sha256,
    pack,
    total_bytes,
)
from latkit.errors import BadFile
from latkit.graphs import FileTensor, ModelFile
from latkit.runtimes.onnx.file import load_model
from latkit.runtimes.onnx.tensors import nested_tensors

EXPECTED = "a model as ONNX"

DTYPES: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.DOUBLE: "float64",
    TensorProto.INT64: "int64",
    TensorProto.INT32: "int32",
    TensorProto.INT16: "int16",
    TensorProto.INT8: "int8",
    TensorProto.UINT64: "uint64",
    TensorProto.UINT32: "uint32",
    TensorProto.UINT16: "uint16",
    TensorProto.UINT8: "uint8",
    TensorProto.BOOL: "bool",
}
"""Element types that an input may have, as numpy names them."""

PASSING = frozenset({"Cast", "Reshape", "Unsqueeze", "Squeeze", "Flatten", "Identity", "Slice", "Transpose", "Expand"})
"""Operators that pass ids on unchanged."""


def read_onnx(request: SourceRequest) -> ModelSource:
    """An ONNX file with its inputs' values. Raises BadFile."""
    path = request.path
    content_sha256 = file_sha256(path, EXPECTED)
    model = load_model(path)
    with reading(path, EXPECTED):
        if not model.graph.node and not model.graph.output:
            raise BadFile(path, EXPECTED, "no nodes in it")
        external = tuple(_external(model, path))
        specs = input_specs(model, path)
        if request.inputs is not None:
            values = read_values(request.inputs, specs, path)
        else:
            values = random_values(specs, resolve_shapes(specs, request.shapes, request.batch, path), path)
        packed, _ = pack(values)
        record = ModelFile(
            sha256=joined_sha256(content_sha256, external),
            format="onnx",
            inputs=described_inputs(values, real=request.inputs is not None),
            outputs=tuple(_output(value) for value in model.graph.output),
            inputs_sha256=values_sha256(packed),
            name=one_line(path.name, 200),
            file_bytes=total_bytes(path, external),
            parameters=sum(_elements(tensor) for tensor in model.graph.initializer),
        )
        opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
        return ModelSource(path, record, content_sha256, values, external, tuple(_operators(model.graph)), opset)


def input_specs(model: onnx.ModelProto, source: object) -> list[InputSpec]:
    """The inputs, without constants that have a default. Raises BadFile for one that holds no numbers."""
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {tensor.values.name for tensor in graph.sparse_initializer}
    tables = vocabularies(graph)
    specs = []
    for value in graph.input:
        if value.name in constants:
            continue
        tensor = value.type.tensor_type
        if value.type.WhichOneof("value") != "tensor_type" or tensor.elem_type not in DTYPES:
            kind = value.type.WhichOneof("value") or "no type"
            name = TensorProto.DataType.Name(tensor.elem_type) if kind == "tensor_type" else kind
            raise BadFile(source, "inputs of numbers", f"{one_line(value.name, 80)!r} of {name}")
        if not tensor.HasField("shape"):
            raise BadFile(source, f"the rank of its input {one_line(value.name, 80)!r}", "none in the file")
        shape = tuple(
            d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else (d.dim_param or None)
            for d in tensor.shape.dim
        )
        specs.append(InputSpec(value.name, DTYPES[tensor.elem_type], shape, tables.get(value.name)))
    return specs


def vocabularies(graph: onnx.GraphProto) -> dict[str, int]:
    """By name of a value, the number of rows of the smallest table that it indexes by Gather."""
    rows = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    found: dict[str, int] = {}
    for node in reversed(graph.node):  # consumers come after producers
        if node.op_type == "Gather" and len(node.input) == 2 and node.input[0] in rows:
            axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
            sides = rows[node.input[0]]
            if -len(sides) <= axis < len(sides):
                found[node.input[1]] = min(int(sides[axis]), found.get(node.input[1], 2**62))
        elif node.op_type in PASSING and node.input:
            passed = [found[name] for name in node.output if name in found]
            if passed:
                found[node.input[0]] = min([*passed, found.get(node.input[0], 2**62)])
    return found


def _operators(graph: onnx.GraphProto) -> Iterator[FileOp]:
    """The nodes of the graph with the shapes of their weights; other inputs have no type here.

    A weight that the file holds quantized keeps its type behind the node that dequantizes it.
    """
    weights = {
        tensor.name: (DTYPES.get(tensor.data_type, "unknown"), tuple(int(size) for size in tensor.dims))
        for tensor in graph.initializer
    }
    for node in graph.node:
        inputs = tuple(weights.get(name, ("", ())) for name in node.input if name)
        if node.op_type == "DequantizeLinear" and inputs and inputs[0][0]:
            weights.update(dict.fromkeys(node.output, inputs[0]))
        yield FileOp(
            one_line(node.name, 200), node.op_type, inputs, (), reads=tuple(node.input), writes=tuple(node.output)
        )


def _external(model: onnx.ModelProto, path: Path) -> Iterator[tuple[str, Path, str]]:
    """The external data of a model. Raises BadFile for a file that is missing, too short, or elsewhere."""
    ends: dict[str, int] = {}
    for tensor in (*model.graph.initializer, *nested_tensors(model.graph)):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        offset, length = (int(entries.get(name) or 0) for name in ("offset", "length"))
        ends[location] = max(ends.get(location, 0), offset + length)
    for location, end in ends.items():
        relative = PurePosixPath(location)
        shown = one_line(location, 120)
        if not location or relative.is_absolute() or ".." in relative.parts or "\0" in location:
            raise BadFile(path, "external data in the file's folder", f"it at {shown!r}")
        place = path.parent / location
        if not place.is_file():
            raise BadFile(path, f"its external data {shown!r} beside it", "no such file")
        if place.stat().st_size < end:
            raise BadFile(path, f"{end} bytes of external data in {shown!r}", f"{place.stat().st_size}")
        yield location, place, file_sha256(place, "external data")


def _output(value: onnx.ValueInfoProto) -> FileTensor:
    """An output as the file states it."""
    tensor = value.type.tensor_type
    shape = tuple(d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else -1 for d in tensor.shape.dim)
    kind = value.type.WhichOneof("value") or "unknown"
    name = DTYPES.get(tensor.elem_type) or TensorProto.DataType.Name(tensor.elem_type).lower()
    return FileTensor(value.name[:1000], name if kind == "tensor_type" else kind[:40], shape[:64])


def _elements(tensor: TensorProto) -> int:
    count = 1
    for size in tensor.dims:
        count *= max(int(size), 0)
    return min(count, 2**62)
