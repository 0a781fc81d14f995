"""ONNX files loaded and prepared: checked, with fixed sizes, without weights, constants folded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import onnx

from latkit._io import read_bytes, reading
from latkit.errors import BadFile
from latkit.runtimes.onnx.session import RuntimeRefused, fold, reason
from latkit.runtimes.onnx.tensors import lift_constants, nested_tensors, split_weights

EXPECTED = "a network as ONNX"

MAX_FILE_BYTES = 2**31
"""Maximum size of a protobuf file."""

MAX_NODES = 50_000
MAX_SHOWN = 5

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of inputs by name, for inputs whose file leaves them open."""


def load_model(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """An ONNX file without its external data. Raises BadFile."""
    content = read_bytes(path, EXPECTED, MAX_FILE_BYTES)
    try:
        return _parsed(content)
    except Exception as error:
        raise BadFile(path, EXPECTED, "no ONNX model").with_detail(error) from error


def _parsed(content: bytes) -> onnx.ModelProto:
    model = onnx.ModelProto()
    model.ParseFromString(content)
    return model


def prepare(
    model: onnx.ModelProto, source: object, shapes: Shapes, batch: int, folder: Path | None
) -> tuple[onnx.ModelProto, set[str]]:
    """The model with fixed sizes and folded constants, and the names of its weights, which become inputs.

    The given model is changed. `folder` is the folder of its data. Raises BadFile naming its source.
    """
    with reading(source, EXPECTED):
        _check(model, source)
        lift_constants(model.graph)
        _fix_shapes(model.graph, source, shapes, batch)
        del model.graph.value_info[:]
        for value in model.graph.output:
            value.type.tensor_type.ClearField("shape")
        weights = split_weights(model.graph, source, folder)
        return onnx.shape_inference.infer_shapes(_folded(model, source)), weights


def _check(model: onnx.ModelProto, source: object) -> None:
    """Raise a clear error for models that onnxruntime would refuse, or that our graphs cannot represent."""
    graph = model.graph
    if not graph.node:
        raise BadFile(source, EXPECTED, "no nodes in it")
    if len(graph.node) > MAX_NODES:
        raise BadFile(source, f"a network of at most {MAX_NODES} nodes", str(len(graph.node)))
    functions = {(function.domain, function.name) for function in model.functions}
    others = sorted(
        {
            f"{node.op_type} of {node.domain}"
            for node in graph.node
            if node.domain not in ("", "ai.onnx") and (node.domain, node.op_type) not in functions
        }
    )
    if others:
        more = f" and {len(others) - MAX_SHOWN} more" if len(others) > MAX_SHOWN else ""
        raise BadFile(source, "operators of ONNX's own", ", ".join(others[:MAX_SHOWN]) + more)
    for value in (*graph.input, *graph.output):
        if value.type.WhichOneof("value") not in ("tensor_type", None):
            raise BadFile(source, "tensors as inputs and outputs", f"{value.name!r}, a sequence or map")
    for tensor in nested_tensors(graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL and tensor.data_type == onnx.TensorProto.STRING:
            raise BadFile(source, "constants in the file itself", f"text outside it: {tensor.name!r}")
    _check_names(graph, source)


def _check_names(graph: onnx.GraphProto, source: object) -> None:
    """Check that every value that a node consumes exists."""
    known = {"", *(value.name for value in graph.input), *(tensor.name for tensor in graph.initializer)}
    known |= {tensor.values.name for tensor in graph.sparse_initializer}
    known |= {name for node in graph.node for name in node.output}
    for node in graph.node:
        for name in node.input:
            if name not in known:
                raise BadFile(
                    source,
                    "a network whose nodes take what is there",
                    f"{node.op_type} of {name!r}, which nothing gives",
                )
    for value in graph.output:
        if value.name not in known:
            raise BadFile(source, "outputs that its nodes give", f"{value.name!r}, which nothing gives")


def _fix_shapes(graph: onnx.GraphProto, source: object, shapes: Shapes, batch: int) -> None:
    """Give every input fixed sizes: those of the file, or the requested ones, or the target's batch."""
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {tensor.values.name for tensor in graph.sparse_initializer}
    inputs = {value.name: value for value in graph.input if value.name not in constants}
    unknown = set(shapes) - set(inputs)
    if unknown:
        raise BadFile(source, f"an input named {min(unknown)!r}", f"inputs named {', '.join(inputs) or 'nothing'}")
    found: dict[str, list[int]] = {}
    for name, value in inputs.items():
        tensor = value.type.tensor_type
        sizes = [d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in tensor.shape.dim]
        requested = shapes.get(name)
        if requested is not None and tensor.HasField("shape"):
            _check_requested(name, sizes, requested, source)
        elif sizes and sizes[0] is None:
            sizes[0] = batch
        fixed = [*(requested or sizes)]
        if (requested is None and not tensor.HasField("shape")) or None in fixed:
            example = ",".join(str(size or 224) for size in sizes) or "1,3,224,224"
            known = _sizes(sizes) if sizes else "no shape"
            raise BadFile(
                source, f"whole sizes of its input {name!r}", f"{known}; give them with: --shape {name}={example}"
            )
        found[name] = [size or 0 for size in fixed]
        tensor.shape.Clear()
        for size in found[name]:
            tensor.shape.dim.add().dim_value = size
    _check_batch(found, source, batch)


def _check_requested(name: str, sizes: list[int | None], requested: tuple[int, ...], source: object) -> None:
    """Refuse requested sizes that differ from fixed sizes of the file: the weights would not fit."""
    fits = len(sizes) == len(requested) and all(a is None or a == b for a, b in zip(sizes, requested, strict=False))
    if not fits:
        raise BadFile(
            source, f"sizes that its input {name!r} can take, {_sizes(sizes)}", f"{_sizes(requested)} by --shape"
        )


def _check_batch(found: Mapping[str, list[int]], source: object, batch: int) -> None:
    """Refuse a file that fixes another batch than the target's: it is another network."""
    if batch == 1 or not found or any(takes_batch(shape, batch) for shape in found.values()):
        return
    name, shape = next(iter(found.items()))
    raise BadFile(
        source,
        f"an input of the target's batch, {batch}",
        f"{name!r} of {_sizes(shape)}; name a target of that batch, or export the file with an open batch",
    )


def takes_batch(shape: tuple[int, ...] | list[int], batch: int) -> bool:
    """Whether an input of that shape may hold this many examples: along its first axis; sequences, along their
    second."""
    return bool(shape) and (shape[0] == batch or (len(shape) == 3 and shape[1] == batch))


def _sizes(sizes: tuple[int, ...] | list[int] | list[int | None]) -> str:
    return "x".join("?" if size is None else str(size) for size in sizes) or "a single number"


def _folded(model: onnx.ModelProto, source: object) -> onnx.ModelProto:
    """The model after onnxruntime's basic optimization: constants folded, nodes without effect dropped."""
    try:
        folded = fold(model.SerializeToString(), ("MatMulAddFusion", "GemmActivationFusion"))
    except RuntimeRefused as error:
        raise BadFile(source, "a network that onnxruntime can read", reason(error)).with_detail(error) from error
    return _parsed(folded)
