"""Small ONNX models, written by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def value(name: str, shape: Sequence[int | str | None] | None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """An input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


def weights(name: str, *shape: int) -> onnx.TensorProto:
    """Floats of that shape."""
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return numpy_helper.from_array(values, name)


def integers(name: str, *values: int) -> onnx.TensorProto:
    """A vector of whole numbers."""
    return numpy_helper.from_array(np.array(values, np.int64), name)


def floats(name: str, *values: float) -> onnx.TensorProto:
    """A vector of numbers."""
    return numpy_helper.from_array(np.array(values, np.float32), name)


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """A node; names are separated by blanks, and `_` stands for an omitted one."""
    names = ([("" if name == "_" else name) for name in side.split()] for side in (inputs, outputs))
    return helper.make_node(op, *names, **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    constants: Sequence[onnx.TensorProto] = (),
    output: str = "y",
    opset: int = 17,
) -> onnx.ModelProto:
    """A model with one output of an undeclared shape."""
    graph = helper.make_graph(list(nodes), "g", list(inputs), [value(output, None)], list(constants))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
