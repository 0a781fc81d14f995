"""Graphs as ONNX models: weights are generated, and shapes are checked against the record before timing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from latkit.errors import ExportError, LatkitError
from latkit.graphs.graph import ABSENT, Constant, Graph, Node, Tensor
from latkit.graphs.onnx.deciding import undetermined_op
from latkit.runtimes.onnx.session import RuntimeRefused, reason, shapes_by_running

CODES = {
    "float32": TensorProto.FLOAT,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "bool": TensorProto.BOOL,
    "int8": TensorProto.INT8,
    "uint8": TensorProto.UINT8,
}

_BYTES = {"float32": 4, "int64": 8, "int32": 4, "bool": 1, "int8": 1, "uint8": 1}

MAX_MODEL_BYTES = 2**31 - 2**20
"""Maximum size of a protobuf file."""

MAX_RUN_BYTES = 2**30
"""A graph with larger tensors is not run on this machine to check its outputs."""

_IR_VERSION = 8

ROUNDED = frozenset({"Resize", "Upsample", "MaxPool", "AveragePool", "LpPool"})
"""Operators with sizes that are rounded quotients: onnx's inference may differ from a runtime's result."""


def model_of_graph(graph: Graph, seed: int) -> onnx.ModelProto:
    """The graph as an ONNX model, its weights drawn from the seed, scaled so that values neither underflow nor
    overflow.

    Raises ExportError where onnx finds it invalid.
    """
    try:
        model = _model(graph, graph.outputs, np.random.default_rng(seed))
        onnx.checker.check_model(model)
    except LatkitError:
        raise
    except Exception as error:
        raise ExportError(f"cannot write {graph.title} as ONNX: {_where(error)}").with_detail(error) from error
    return model


def check_shapes(graph: Graph) -> None:
    """Raise ExportError unless the written graph has tensors of the recorded shapes.

    Shapes are inferred from the operators alone. Where that is not enough, or sizes are rounded, the graph is run once
    on this machine.
    """
    lacking = undetermined_op(graph)
    if lacking:
        raise ExportError(f"{graph.title}: expected the values that decide the shape of its {lacking}, but found none")
    tensors, first = graph.tensors(), graph.first_outputs()
    try:
        inferred = onnx.shape_inference.infer_shapes(
            _model(graph, graph.outputs, None), check_type=True, strict_mode=True, data_prop=True
        )
    except LatkitError:
        raise
    except Exception as error:
        raise ExportError(
            f"{graph.title}: expected operators that fit together, but found {_where(error)}"
        ).with_detail(error) from error
    found = {value.name: value.type.tensor_type for value in (*inferred.graph.value_info, *inferred.graph.output)}
    unknown = []
    for index, node in enumerate(graph.nodes):
        for number in range(first[index], first[index] + len(node.outputs)):
            tensor = found.get(_name(number))
            shape = None if tensor is None else _shape(tensor)
            if shape is None:
                unknown.append(number)
            elif shape != tensors[number].shape:
                raise _mismatch(graph, node, tensors[number].shape, shape)
    if unknown or any(node.op in ROUNDED for node in graph.nodes):
        _check_by_running(graph, unknown)


def _check_by_running(graph: Graph, unknown: Sequence[int]) -> None:
    tensors = graph.tensors()
    if sum(tensor.elements * _BYTES[tensor.type] for tensor in tensors) > MAX_RUN_BYTES:
        if unknown:
            raise ExportError(f"{graph.title}: expected shapes that can be inferred, but found one that cannot")
        return
    checked_numbers = list(dict.fromkeys([*graph.outputs, *unknown]))
    try:
        found = shapes_by_running(_model(graph, checked_numbers, np.random.default_rng(0)).SerializeToString())
    except RuntimeRefused as error:
        expected = "expected a graph that onnxruntime can run"
        raise ExportError(f"{graph.title}: {expected}, but found {reason(error)}").with_detail(error) from error
    for number in checked_numbers:
        shape = found[_name(number)]
        if shape != tensors[number].shape:
            raise _mismatch(graph, _producer(graph, number), tensors[number].shape, shape)


def _producer(graph: Graph, number: int) -> Node:
    first = graph.first_outputs()
    return next(node for node, start in reversed([*zip(graph.nodes, first, strict=True)]) if start <= number)


def _mismatch(graph: Graph, node: Node, recorded: tuple[int, ...], found: tuple[int, ...]) -> ExportError:
    return ExportError(f"{graph.title}: expected {node.op} to give {recorded}, but found {found}: it is not timed")


def _shape(tensor: Any) -> tuple[int, ...] | None:
    known = tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim)
    return tuple(dim.dim_value for dim in tensor.shape.dim) if known else None


def _where(error: Exception) -> str:
    """The cause of onnx's error in the user's terms; its own message is the error's detail."""
    return f"what onnx refuses ({type(error).__name__})"


def _name(number: int) -> str:
    return "" if number == ABSENT else f"v{number}"


def _model(graph: Graph, outputs: Sequence[int], rng: np.random.Generator | None) -> onnx.ModelProto:
    """The graph as an ONNX model; without a generator, weights are inputs and outputs have no declared shapes."""
    tensors, first, given = graph.tensors(), graph.first_outputs(), len(graph.inputs)
    stored = [c for c in graph.constants if rng is not None or _is_stored(c)]
    size = sum(constant.tensor.elements * _BYTES[constant.tensor.type] for constant in stored)
    if size > MAX_MODEL_BYTES:
        raise ExportError(f"{graph.title}: expected weights of at most 2 GiB in an ONNX file, but found {size} bytes")
    nodes = [
        _node(node, [_name(n) for n in node.inputs], [_name(first[index] + n) for n in range(len(node.outputs))])
        for index, node in enumerate(graph.nodes)
    ]
    weights, inputs = [], [*range(given)]
    for place, constant in enumerate(graph.constants, start=given):
        if rng is None and not _is_stored(constant):
            inputs.append(place)
        else:
            weights.append(numpy_helper.from_array(_values(constant, rng), _name(place)))
    claimed = rng is not None and tuple(outputs) == graph.outputs
    described = helper.make_graph(
        nodes,
        "graph",
        _described(inputs, tensors),
        _described(dict.fromkeys(outputs), tensors, with_shapes=claimed),
        weights,
    )
    return helper.make_model(described, opset_imports=[helper.make_opsetid("", graph.opset)], ir_version=_IR_VERSION)


def _is_stored(constant: Constant) -> bool:
    """Whether a constant has values of its own."""
    return constant.values is not None or constant.example is not None


def _node(node: Node, inputs: list[str], outputs: list[str]) -> onnx.NodeProto:
    settings: dict[str, Any] = {k: list(value) if isinstance(value, tuple) else value for k, value in node.attributes}
    made = helper.make_node(node.op, inputs, node.given(outputs))
    for name, value in settings.items():
        if value != []:
            made.attribute.append(helper.make_attribute(name, value))
    return made


def _described(numbers: Iterable[int], tensors: Sequence[Tensor], *, with_shapes: bool = True) -> list[Any]:
    return [
        helper.make_tensor_value_info(_name(n), CODES[tensors[n].type], tensors[n].shape if with_shapes else None)
        for n in numbers
    ]


def _values(constant: Constant, rng: np.random.Generator | None) -> NDArray[Any]:
    shape, kind = constant.tensor.shape, constant.tensor.type
    if constant.values is not None:
        return np.array(constant.values, dtype=kind).reshape(shape)
    if constant.example is not None:
        return np.full(shape, constant.example[0], dtype=kind)
    assert rng is not None
    if kind in ("int8", "uint8") and len(shape) >= 2:
        return rng.integers(-100 if kind == "int8" else 28, 100 if kind == "int8" else 228, shape).astype(kind)
    if kind != "float32":  # an index that is valid in any tensor
        return np.zeros(shape, dtype=kind)
    if len(shape) >= 2:
        fan_in = max(math.prod(shape[1:]) if len(shape) == 4 else shape[-2], 1)
        return rng.standard_normal(shape, dtype=np.float32) / np.float32(math.sqrt(fan_in))
    return rng.uniform(0.5, 1.5, shape).astype(kind)  # scales, variances and biases: positive and not near zero
