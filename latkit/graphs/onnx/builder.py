"""Building graphs by hand: every call adds a node and returns the number of its value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from latkit.graphs.graph import Constant, Graph, Node, Setting, Tensor

_CONSTANT = 1 << 20
"""Constants are numbered from here during building: the number of inputs is known only at the end."""

_NODE = 1 << 21


class GraphBuilder:
    """Builds a graph. The numbers that its methods return stand for values; images are (N, C, H, W)."""

    dialect = "onnx"

    def __init__(self) -> None:
        self._inputs: list[Tensor] = []
        self._constants: list[Constant] = []
        self._nodes: list[Node] = []
        self._tensors: dict[int, Tensor] = {}
        self._given = 0

    def input(self, *shape: int) -> int:
        """An input of 32-bit floats."""
        self._inputs.append(Tensor(shape))
        self._tensors[len(self._inputs) - 1] = Tensor(shape)
        return len(self._inputs) - 1

    def weight(self, *shape: int) -> int:
        """Weights of that shape."""
        return self._constant(Constant(Tensor(shape)))

    def integers(self, *values: int) -> int:
        """A vector of integers."""
        return self._constant(Constant(Tensor((len(values),), "int64"), values))

    def integer(self, value: int) -> int:
        """One integer."""
        return self._constant(Constant(Tensor((), "int64"), (value,)))

    def scalar(self, value: float) -> int:
        """One number."""
        return self._constant(Constant(Tensor(()), (float(value),)))

    def _constant(self, constant: Constant) -> int:
        self._constants.append(constant)
        number = _CONSTANT + len(self._constants) - 1
        self._tensors[number] = constant.tensor
        return number

    def shape(self, value: int) -> tuple[int, ...]:
        """A value's shape."""
        return self._tensors[value].shape

    def node(self, op: str, inputs: Sequence[int], *shapes: tuple[int, ...], **attributes: Setting) -> int:
        """Any node of ONNX, with the shapes of its outputs; returns the number of its first output."""
        outputs = tuple(Tensor(shape) for shape in shapes)
        self._nodes.append(Node(op, tuple(inputs), outputs, tuple(sorted(attributes.items()))))
        first = _NODE + self._given
        self._tensors.update({first + place: tensor for place, tensor in enumerate(outputs)})
        self._given += len(outputs)
        return first

    def graph(self, outputs: Sequence[int], name: str = "") -> Graph:
        """The finished graph."""
        constants, nodes = len(self._inputs), len(self._inputs) + len(self._constants)

        def final(number: int) -> int:
            if number >= _NODE:
                return number - _NODE + nodes
            return number - _CONSTANT + constants if number >= _CONSTANT else number

        written = tuple(replace(node, inputs=tuple(map(final, node.inputs))) for node in self._nodes)
        values = tuple(self._inputs), tuple(self._constants)
        return Graph(*values, written, tuple(map(final, outputs)), name=name, dialect=self.dialect)

    def _last_value(self) -> int:
        """The number of the last node's last output."""
        return _NODE + self._given - 1

    def conv(
        self, x: int, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1, pad: int | None = None
    ) -> int:
        """Convolution with a bias, padded by half its kernel by default."""
        batch, given, height, width = self.shape(x)
        pad = kernel // 2 if pad is None else pad
        size = tuple((n + 2 * pad - kernel) // stride + 1 for n in (height, width))
        weights = self.weight(channels, given // groups, kernel, kernel), self.weight(channels)
        return self.node(
            "Conv",
            (x, *weights),
            (batch, channels, *size),
            dilations=(1, 1),
            group=groups,
            kernel_shape=(kernel, kernel),
            pads=(pad,) * 4,
            strides=(stride, stride),
        )

    def unary(self, op: str, x: int, **attributes: Setting) -> int:
        """Elementwise operator on one tensor."""
        return self.node(op, (x,), self.shape(x), **attributes)

    def binary(self, op: str, x: int, y: int) -> int:
        """Elementwise operator on two tensors; the shape is that of the larger."""
        return self.node(op, (x, y), max(self.shape(x), self.shape(y), key=lambda s: (len(s), s)))

    def activation(self, name: str, x: int) -> int:
        """An activation as exporters write it: relu, relu6, silu, hardswish, gelu or sigmoid.

        `hardswish_op` is hard swish as one operator, which newer exporters write and quantizers leave in floats.
        """
        if name == "relu6":
            return self.node("Clip", (x, self.scalar(0), self.scalar(6)), self.shape(x))
        if name == "silu":
            return self.binary("Mul", x, self.unary("Sigmoid", x))
        if name == "hardswish":
            return self.binary("Mul", x, self.unary("HardSigmoid", x, alpha=1 / 6, beta=0.5))
        if name == "gelu":
            inner = self.unary("Erf", self.binary("Div", x, self.scalar(2**0.5)))
            product = self.binary("Mul", x, self.binary("Add", inner, self.scalar(1)))
            return self.binary("Mul", product, self.scalar(0.5))
        return self.unary({"relu": "Relu", "sigmoid": "Sigmoid", "hardswish_op": "HardSwish"}[name], x)

    def linear(self, x: int, features: int) -> int:
        """A product with a matrix of weights along the last axis, and a bias."""
        *rows, given = self.shape(x)
        product = self.node("MatMul", (x, self.weight(given, features)), (*rows, features))
        return self.node("Add", (self.weight(features), product), (*rows, features))

    def matmul(self, x: int, y: int) -> int:
        """A product of two tensors along their last two axes."""
        return self.node("MatMul", (x, y), (*self.shape(x)[:-1], self.shape(y)[-1]))

    def layer_norm(self, x: int) -> int:
        """Layer normalization along the last axis."""
        size = self.shape(x)[-1]
        return self.node(
            "LayerNormalization", (x, self.weight(size), self.weight(size)), self.shape(x), axis=-1, epsilon=1e-6
        )

    def product(self, x: int, features: int) -> int:
        """A product with a matrix of weights along the last axis."""
        *rows, given = self.shape(x)
        return self.node("MatMul", (x, self.weight(given, features)), (*rows, features))

    def scores(self, query: int, key: int) -> int:
        """The products of the rows of two tensors of (N, heads, L, C) and (N, heads, K, C)."""
        shape = (*self.shape(query)[:3], self.shape(key)[2])
        return self.node("Einsum", (query, key), shape, equation="bhlk,bhtk->bhlt")

    def mixed(self, scores: int, value: int) -> int:
        """The rows of (N, heads, K, C) mixed by scores of (N, heads, L, K)."""
        shape = (*self.shape(scores)[:3], self.shape(value)[3])
        return self.node("Einsum", (scores, value), shape, equation="bhlt,bhtv->bhlv")

    def batch_norm(self, x: int) -> int:
        """Normalization of (N, features) by statistics of the training."""
        statistics = [self.weight(self.shape(x)[-1]) for _ in range(4)]
        return self.node("BatchNormalization", (x, *statistics), self.shape(x), epsilon=1e-5)

    def instance_norm(self, x: int) -> int:
        """Normalization of (1, 1, size) along the last axis."""
        return self.node("InstanceNormalization", (x, self.weight(1), self.weight(1)), self.shape(x), epsilon=1e-5)

    def group_norm(self, x: int) -> int:
        """Normalization over a full image, as exporters write it; a scale and a shift per channel."""
        shape = self.shape(x)
        normal = self.instance_norm(self.reshape(x, 1, 1, shape[1] * shape[2] * shape[3]))
        scaled = self.binary("Mul", self.reshape(normal, *shape), self.weight(shape[1], 1, 1))
        return self.binary("Add", scaled, self.weight(shape[1], 1, 1))

    def broadcast(self, x: int, *shape: int) -> int:
        """A tensor repeated along axes of size 1."""
        return self.node("Expand", (x, self.integers(*shape)), shape)

    def mask(self, *shape: int) -> int:
        """Numbers that hide some elements when they are added; exporters compute them beforehand."""
        return self.weight(*shape)

    def mean(self, x: int, axes: tuple[int, ...], *, keep: bool = True) -> int:
        """Mean over some axes, which become 1 or vanish."""
        return self.node(
            "ReduceMean", (x,), reduced_shape(self.shape(x), axes, keep=keep), axes=axes, keepdims=int(keep)
        )

    def norm(self, x: int, axes: tuple[int, ...]) -> int:
        """Root of the sum of squares over some axes, which become 1."""
        return self.node("ReduceL2", (x,), reduced_shape(self.shape(x), axes, keep=True), axes=axes, keepdims=1)

    def token_mean(self, x: int) -> int:
        """(N, L, C) as the mean of all tokens, (N, C)."""
        return self.mean(x, (1,), keep=False)

    def first_token(self, x: int) -> int:
        """(N, L, C) as its first token, (N, C)."""
        batch, _, channels = self.shape(x)
        return self.node("Gather", (x, self.integer(0)), (batch, channels), axis=1)

    def flatten(self, x: int) -> int:
        """All axes but the first as one; nothing is moved."""
        first, *others = self.shape(x)
        return self.node("Flatten", (x,), (first, math.prod(others)), axis=1)

    def softmax(self, x: int) -> int:
        """Softmax along the last axis."""
        return self.unary("Softmax", x, axis=-1)

    def transpose(self, x: int, *perm: int) -> int:
        """Permute axes."""
        return self.node("Transpose", (x,), tuple(self.shape(x)[axis] for axis in perm), perm=perm)

    def reshape(self, x: int, *shape: int) -> int:
        """The same elements in another shape."""
        return self.node("Reshape", (x, self.integers(*shape)), shape)

    def global_pool(self, x: int) -> int:
        """Mean over height and width, which become 1."""
        return self.node("GlobalAveragePool", (x,), (*self.shape(x)[:2], 1, 1))

    def pool(self, op: str, x: int, kernel: int, stride: int, **attributes: Setting) -> int:
        """MaxPool or AveragePool, padded by half its kernel."""
        batch, channels, height, width = self.shape(x)
        pad = kernel // 2
        size = tuple((n + 2 * pad - kernel) // stride + 1 for n in (height, width))
        settings = {"kernel_shape": (kernel, kernel), "pads": (pad,) * 4, "strides": (stride, stride)}
        return self.node(op, (x,), (batch, channels, *size), **settings, **attributes)

    def concat(self, axis: int, *values: int) -> int:
        """Concatenate tensors along an axis."""
        shape = list(self.shape(values[0]))
        shape[axis] = sum(self.shape(value)[axis] for value in values)
        return self.node("Concat", values, tuple(shape), axis=axis)

    def slice(self, x: int, axis: int, start: int, end: int) -> int:
        """A part of a tensor along an axis."""
        shape = list(self.shape(x))
        shape[axis] = end - start
        parts = self.integers(start), self.integers(end), self.integers(axis), self.integers(1)
        return self.node("Slice", (x, *parts), tuple(shape))

    def split(self, x: int, axis: int, *sizes: int) -> tuple[int, ...]:
        """A tensor in parts along an axis."""
        shapes = [
            tuple(size if place == axis % len(self.shape(x)) else n for place, n in enumerate(self.shape(x)))
            for size in sizes
        ]
        first = self.node("Split", (x, self.integers(*sizes)), *shapes, axis=axis)
        return tuple(first + place for place in range(len(sizes)))

    def pad(self, x: int, *after: int) -> int:
        """Zeros after the end of each axis, with the given count per axis."""
        shape = tuple(size + more for size, more in zip(self.shape(x), after, strict=True))
        return self.node("Pad", (x, self.integers(*(0 for _ in after), *after), self.scalar(0)), shape, mode="constant")

    def resize(self, x: int, factor: int, mode: str = "nearest") -> int:
        """An image enlarged by an integer factor."""
        batch, channels, height, width = self.shape(x)
        size = batch, channels, height * factor, width * factor
        settings = {"mode": mode, "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.node("Resize", (x, -1, -1, self.integers(*size)), size, **settings)


def reduced_shape(shape: tuple[int, ...], axes: tuple[int, ...], *, keep: bool) -> tuple[int, ...]:
    """The shape of a tensor after a reduction over some axes, which become 1 or vanish."""
    reduced = {axis % len(shape) for axis in axes}
    return tuple(1 if axis in reduced else size for axis, size in enumerate(shape) if keep or axis not in reduced)
