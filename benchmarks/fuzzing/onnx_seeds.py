"""ONNX files to start from: networks of some operators each."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def seeds() -> list[bytes]:
    """Networks of some operators each."""
    return [model.SerializeToString() for model in (_convolutions(), _attention(), _recurrent(), _resizing())]


def _weight(name: str, *shape: int) -> Any:
    count = int(np.prod(shape))
    return numpy_helper.from_array((np.arange(count, dtype=np.float32) / (count + 1)).reshape(shape), name)


def _numbers(name: str, *values: int) -> Any:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def _value(name: str, *shape: int | str) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def _model(nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: list[Any]) -> Any:
    graph = helper.make_graph(nodes, "seed", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _convolutions() -> Any:
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w0", "b0"], ["c0"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["c0", "s", "b0", "m", "v"], ["n0"]),
        node("Relu", ["n0"], ["r0"]),
        node("Conv", ["r0", "w1"], ["c1"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=8),
        node("Add", ["c1", "r0"], ["a0"]),
        node("MaxPool", ["a0"], ["p0"], kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", ["p0"], ["g0"]),
        node("Flatten", ["g0"], ["f0"]),
        node("Gemm", ["f0", "w2", "b2"], ["y"], transB=1),
    ]
    vectors = [_weight(name, 8) for name in ("b0", "s", "m", "v")]
    weights = [_weight("w0", 8, 3, 3, 3), _weight("w1", 8, 1, 3, 3), _weight("w2", 5, 8), _weight("b2", 5), *vectors]
    return _model(nodes, [_value("x", 1, 3, 8, 8)], [_value("y", 1, 5)], weights)


def _attention() -> Any:
    node = helper.make_node
    nodes = [
        node("MatMul", ["x", "w"], ["q"]),
        node("Reshape", ["q", "heads"], ["h"]),
        node("Transpose", ["h"], ["t"], perm=[0, 2, 1, 3]),
        node("Transpose", ["h"], ["k"], perm=[0, 2, 3, 1]),
        node("MatMul", ["t", "k"], ["s"]),
        node("Softmax", ["s"], ["p"], axis=-1),
        node("Einsum", ["p", "t"], ["o"], equation="bhij,bhjd->bhid"),
        node("Slice", ["o", "zero", "two", "axis"], ["cut"]),
        node("Concat", ["cut", "cut"], ["y"], axis=2),
    ]
    numbers = [_numbers("heads", 1, 4, 2, 8), _numbers("zero", 0), _numbers("two", 2), _numbers("axis", 2)]
    return _model(nodes, [_value("x", "N", 4, 16)], [_value("y", 1, 2, 4, 8)], [_weight("w", 16, 16), *numbers])


def _recurrent() -> Any:
    node = helper.make_node
    nodes = [
        node("LSTM", ["x", "w", "r"], ["y", "", "c"], hidden_size=6, activations=["Sigmoid", "Tanh", "Tanh"]),
        node("Squeeze", ["c", "axis"], ["z"]),
    ]
    weights = [_weight("w", 1, 24, 5), _weight("r", 1, 24, 6), _numbers("axis", 0)]
    return _model(nodes, [_value("x", 7, 1, 5)], [_value("y", 7, 1, 1, 6), _value("z", 1, 6)], weights)


def _resizing() -> Any:
    node = helper.make_node
    nodes = [
        node("Resize", ["x", "", "scales"], ["u"], mode="nearest"),
        node("Pad", ["u", "pads"], ["p"]),
        node("Split", ["p", "parts"], ["one", "other"], axis=1),
        node("Mul", ["one", "other"], ["m"]),
        node("ReduceMean", ["m"], ["y"], axes=[2, 3], keepdims=0),
    ]
    scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")
    weights = [scales, _numbers("pads", 0, 0, 1, 1, 0, 0, 1, 1), _numbers("parts", 2, 2)]
    return _model(nodes, [_value("x", 1, 4, 5, 5)], [_value("y", 1, 2)], weights)
