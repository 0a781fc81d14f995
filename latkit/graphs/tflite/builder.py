"""Building graphs of TFLite by the same calls: images are stored channels last, as converters from torch write them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from latkit.graphs.graph import Constant, Graph, Setting, Tensor
from latkit.graphs.onnx.builder import GraphBuilder, reduced_shape
from latkit.graphs.tflite.nodes import OPTIONS, VERSION

SAME, VALID = 0, 1
"""Paddings of the schema."""

STORED = (0, 3, 1, 2)
"""Where the axes of an image (N, C, H, W) are stored."""

_ACTIVATIONS = {"relu": ("RELU", 1), "relu6": ("RELU6", 3)}
"""Operators that a convolution before them computes as well, with their number in the schema."""

_AS_OPERATORS = {"gelu": "Gelu", "hardswish": "HardSwish", "hardswish_op": "HardSwish", "sigmoid": "Sigmoid"}
"""Other activations, each an operator of its own."""

_BINARY = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL", "Div": "DIV"}
_UNARY = {"Sigmoid": "LOGISTIC", "Relu": "RELU", "Gelu": "GELU", "HardSwish": "HARD_SWISH"}
_OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "DIV": "DivOptions",
    "BROADCAST_TO": "BroadcastToOptions",
    "SELECT_V2": "SelectV2Options",
    "MEAN": "ReducerOptions",
    "SUM": "ReducerOptions",
    "SOFTMAX": "SoftmaxOptions",
    "CONCATENATION": "ConcatenationOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "TRANSPOSE": "TransposeOptions",
    "RESHAPE": "ReshapeOptions",
    "SLICE": "SliceOptions",
    "PAD": "PadOptions",
    "PADV2": "PadV2Options",
    "GELU": "GeluOptions",
    "HARD_SWISH": "HardSwishOptions",
    "SQUARED_DIFFERENCE": "SquaredDifferenceOptions",
    "RESIZE_BILINEAR": "ResizeBilinearOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
}


class TFLiteBuilder(GraphBuilder):
    """Builds a graph of TFLite. Shapes are those of the caller, (N, C, H, W); images are stored as (N, H, W, C).

    A value may be an image under one number and the same tensor, channels last, under another: nothing is moved.
    """

    dialect = "tflite"

    def __init__(self) -> None:
        super().__init__()
        self._images: set[int] = set()
        self._same: dict[int, int] = {}
        """Numbers of values that are stored as another one."""
        self._norms = 0

    def shape(self, value: int) -> tuple[int, ...]:
        """A value's shape; of an image, (N, C, H, W)."""
        stored = self._stored(value)
        return tuple(stored[axis] for axis in STORED) if value in self._images else stored

    def graph(self, outputs: Sequence[int], name: str = "") -> Graph:
        """The finished graph."""
        return super().graph([self._same.get(one, one) for one in outputs], name)

    def input(self, *shape: int) -> int:
        """An input of 32-bit floats; an image if it has four axes."""
        if len(shape) != 4:
            return super().input(*shape)
        return self._image(super().input(shape[0], shape[2], shape[3], shape[1]))

    def _stored(self, value: int) -> tuple[int, ...]:
        return self._tensors[self._same.get(value, value)].shape

    def _image(self, value: int) -> int:
        self._images.add(value)
        return value

    def _alias(self, value: int, *, image: bool) -> int:
        """Another number for the same stored tensor."""
        number = -2 - len(self._same)
        self._same[number] = self._same.get(value, value)
        return self._image(number) if image else number

    def _add(self, op: str, inputs: Sequence[int], shape: tuple[int, ...], **settings: Setting) -> int:
        """A node of TFLite with a stored shape. Settings that are 0 are the schema's defaults."""
        options: dict[str, Setting] = {OPTIONS: _OPTIONS[op]} if op in _OPTIONS else {}
        found = {name: value for name, value in settings.items() if value or isinstance(value, float)}
        return super().node(op, [self._same.get(one, one) for one in inputs], shape, **options, **found)

    def _int32(self, *values: int, shape: tuple[int, ...] | None = None) -> int:
        return self._constant(Constant(Tensor(shape or (len(values),), "int32"), values))

    def _as_image(self, x: int) -> int:
        if x in self._images or len(self._stored(x)) != 4:
            return x
        return self._image(self._turned(x, (0, 2, 3, 1)))

    def _plain(self, x: int) -> int:
        """The value, stored in the order of its axes."""
        return self._turned(x, STORED) if x in self._images else x

    def _turned(self, x: int, perm: tuple[int, ...]) -> int:
        """The stored tensor with its axes in that order; only a view where axes of size 1 move."""
        shape = self._stored(x)
        turned = tuple(shape[axis] for axis in perm)
        moved = [axis for axis in perm if shape[axis] != 1]
        if moved == sorted(moved):
            return self._alias(x, image=False) if turned == shape else self._shaped(x, turned)
        return self._add("TRANSPOSE", (x, self._int32(*perm)), turned)

    def _shaped(self, x: int, shape: tuple[int, ...]) -> int:
        return self._add("RESHAPE", (x, self._int32(*shape)), shape)

    def conv(
        self, x: int, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1, pad: int | None = None
    ) -> int:
        """Convolution with a bias, padded by half its kernel by default; with stride, by an operator before it."""
        x = self._as_image(x)
        pad = kernel // 2 if pad is None else pad
        depthwise = groups == self.shape(x)[1] > 1
        same = pad == kernel // 2 and kernel % 2 == 1 and (stride == 1 or depthwise)
        if pad and not same:
            x = self._padded(x, (0, 0), (pad, pad), (pad, pad), (0, 0))
        batch, height, width, given = self._stored(x)
        size = tuple(-(-n // stride) if same else (n - kernel) // stride + 1 for n in (height, width))
        settings = {"padding": SAME if same or kernel == 1 == stride else VALID, "strideH": stride, "strideW": stride}
        output = (batch, size[0], size[1], channels)
        if depthwise:
            weights = self.weight(1, kernel, kernel, channels), self.weight(channels)
            return self._image(self._add("DEPTHWISE_CONV_2D", (x, *weights), output, depthMultiplier=1, **settings))
        weights = self.weight(channels, kernel, kernel, given // groups), self.weight(channels)
        return self._image(self._add("CONV_2D", (x, *weights), output, **settings))

    def _padded(self, x: int, *sides: tuple[int, int], value: float | None = None) -> int:
        shape = tuple(size + before + after for size, (before, after) in zip(self._stored(x), sides, strict=True))
        sizes = self._int32(*(n for side in sides for n in side), shape=(len(sides), 2))
        inputs = (x, sizes) if value is None else (x, sizes, self.scalar(value))
        padded = self._add("PAD" if value is None else "PADV2", inputs, shape)
        return self._image(padded) if x in self._images else padded

    def _like(self, made: int, x: int) -> int:
        """A value that is an image where another one is."""
        return self._image(made) if x in self._images else made

    def unary(self, op: str, x: int, **_attributes: Setting) -> int:
        """Elementwise operator on one tensor."""
        return self._like(self._add(_UNARY[op], (x,), self._stored(x)), x)

    def binary(self, op: str, x: int, y: int) -> int:
        """Elementwise operator on two tensors; constants beside an image are stored as it is."""
        image = x in self._images or y in self._images
        if image:
            x, y = self._matching_image(x), self._matching_image(y)
        shape = _broadcast(self._stored(x), self._stored(y))
        made = self._add(_BINARY[op], (x, y), shape)
        return self._image(made) if image else made

    def _matching_image(self, x: int) -> int:
        shape = self._stored(x)
        if x in self._images or math.prod(shape) == 1:
            return x
        if len(shape) == 3:  # of (C, H, W), only C is ever more than 1
            return self.weight(shape[1], shape[2], shape[0])
        return self._as_image(x)

    def activation(self, name: str, x: int) -> int:
        """An activation as converters write it; clamps are part of the convolution before them."""
        if name == "silu":
            return self.binary("Mul", x, self.unary("Sigmoid", x))
        if name in _AS_OPERATORS:
            return self.unary(_AS_OPERATORS[name], x)
        op, number = _ACTIVATIONS[name]
        last = self._nodes[-1]
        if last.op in ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD") and self._is_last(x):
            settings = dict(last.attributes) | {"fusedActivationFunction": number}
            self._nodes[-1] = replace(last, attributes=tuple(settings.items()))
            return x
        return self._like(self._add(op, (x,), self._stored(x)), x)

    def _is_last(self, x: int) -> bool:
        return self._same.get(x, x) == self._last_value()

    def linear(self, x: int, features: int) -> int:
        """A product with a matrix of weights along the last axis, and a bias."""
        return self._dense(x, features, self.weight(features))

    def product(self, x: int, features: int) -> int:
        """A product with a matrix of weights along the last axis."""
        return self._dense(x, features, -1)

    def _dense(self, x: int, features: int, bias: int) -> int:
        x = self._plain(x)
        *rows, given = self._stored(x)
        inputs = (x, self.weight(features, given), *(() if bias < 0 else (bias,)))
        return self._add("FULLY_CONNECTED", inputs, (*rows, features), keepNumDims=1, **{VERSION: 5})

    def matmul(self, x: int, y: int) -> int:
        """A product of two tensors along their last two axes, of three axes as converters write it."""
        x, y = self._plain(x), self._plain(y)
        left, right = self._stored(x), self._stored(y)
        batch = math.prod(left[:-2])
        flat = [self._shaped(one, (batch, *shape[-2:])) for one, shape in ((x, left), (y, right))]
        made = self._add("BATCH_MATMUL", flat, (batch, left[-2], right[-1]))
        return self._shaped(made, (*left[:-1], right[-1]))

    def scores(self, query: int, key: int) -> int:
        """The products of the rows of two tensors."""
        return self.matmul(query, self.transpose(key, 0, 1, 3, 2))

    def mixed(self, scores: int, value: int) -> int:
        """The rows of a tensor mixed by scores."""
        return self.matmul(scores, value)

    def layer_norm(self, x: int) -> int:
        """Layer normalization along the last axis, in the steps that converters write; every other one is scaled."""
        x = self._plain(x)
        given = self._stored(x)
        flat = given if len(given) == 3 else (1, math.prod(given[:-1]), given[-1])
        y = x if flat == given else self._shaped(x, flat)
        y = self._normalized(y, (0, 2) if flat[0] == 1 else (2,))
        self._norms += 1
        if self._norms % 2:
            y = self.binary("Add", self.binary("Mul", y, self.weight(given[-1])), self.weight(given[-1]))
        return y if flat == given else self._shaped(y, given)

    def _normalized(self, x: int, axes: tuple[int, ...]) -> int:
        """(value - mean) / deviation along some axes, of a tensor of three axes."""
        shape = self._stored(x)
        rows = reduced_shape(shape, axes, keep=False)
        spread = reduced_shape(shape, axes, keep=True)
        mean = self._reduced("MEAN", x, axes, rows)
        squares = self._add("SQUARED_DIFFERENCE", (x, self._shaped(mean, spread)), shape)
        variance = self.binary("Add", self._reduced("MEAN", squares, axes, rows), self.scalar(1e-6))
        inverse = self._add("RSQRT", (variance,), rows)
        shift = self.binary("Sub", self.scalar(0.0), self.binary("Mul", mean, inverse))
        scaled = self.binary("Mul", x, self._shaped(inverse, spread))
        return self.binary("Add", scaled, self._shaped(shift, spread))

    def _reduced(self, op: str, x: int, axes: tuple[int, ...], shape: tuple[int, ...], *, keep: bool = False) -> int:
        return self._add(op, (x, self._int32(*axes)), shape, keepDims=int(keep))

    def mean(self, x: int, axes: tuple[int, ...], *, keep: bool = True) -> int:
        """Mean over some axes, which become 1 or vanish."""
        x = self._plain(x)
        return self._reduced("MEAN", x, axes, reduced_shape(self._stored(x), axes, keep=keep), keep=keep)

    def norm(self, x: int, axes: tuple[int, ...]) -> int:
        """Root of the sum of squares over some axes, which become 1."""
        x = self._plain(x)
        shape = reduced_shape(self._stored(x), axes, keep=True)
        return self._add("SQRT", (self._reduced("SUM", self.binary("Mul", x, x), axes, shape, keep=True),), shape)

    def batch_norm(self, x: int) -> int:
        """Normalization of (N, features) by statistics of the training: a scale and a shift."""
        features = self._stored(x)[-1]
        return self.binary("Add", self.binary("Mul", x, self.weight(features)), self.weight(features))

    def group_norm(self, x: int) -> int:
        """Normalization over a full image, in the steps that converters write for a group of all channels."""
        x = self._plain(x)
        batch, channels, height, width = self._stored(x)
        flat, one = (batch, 1, channels, height * width), (batch, 1, 1, 1)
        y = self._shaped(x, flat)
        mean = self._reduced("MEAN", y, (2, 3), one, keep=True)
        centered = self.binary("Sub", y, mean)
        variance = self._reduced("MEAN", self.binary("Mul", centered, centered), (2, 3), one, keep=True)
        inverse = self._add("RSQRT", (self.binary("Add", variance, self.scalar(1e-5)),), one)
        shift = self.binary("Mul", self.binary("Mul", mean, self.scalar(-1.0)), inverse)
        factors = [
            self._shaped(self.broadcast(part, batch, 1, channels, 1), (batch, channels, 1, 1))
            for part in (inverse, shift)
        ]
        y = self.binary("Add", self.binary("Mul", x, factors[0]), factors[1])
        return self._as_image(y)

    def broadcast(self, x: int, *shape: int) -> int:
        """A tensor repeated along axes of size 1."""
        x = self._plain(x)
        made = self._add("BROADCAST_TO", (x, self._int32(*shape)), shape, **{VERSION: 2})
        repeated = Tensor(shape, self._tensors[self._same.get(x, x)].type)
        self._nodes[-1] = replace(self._nodes[-1], outputs=(repeated,))
        self._tensors[made] = repeated
        return made

    def mask(self, *shape: int) -> int:
        """Numbers that hide some elements when they are added. Converters leave their computation to every run."""
        rows = self._constant(Constant(Tensor((*shape[:-1], 1), "bool")))
        return self._add("SELECT_V2", (self.broadcast(rows, *shape), self.scalar(0.0), self.scalar(-1e30)), shape)

    def first_token(self, x: int) -> int:
        """(N, L, C) as its first token, (N, C)."""
        batch, _, channels = self._stored(x)
        return self._shaped(self.slice(x, 1, 0, 1), (batch, channels))

    def flatten(self, x: int) -> int:
        """All axes but the first as one; nothing is moved."""
        return x if len(self._stored(x)) == 2 else self.reshape(x, self.shape(x)[0], math.prod(self.shape(x)[1:]))

    def softmax(self, x: int) -> int:
        """Softmax along the last axis."""
        x = self._plain(x)
        return self._add("SOFTMAX", (x,), self._stored(x), beta=1.0)

    def transpose(self, x: int, *perm: int) -> int:
        """Permute axes. An image is turned from the order in which it is stored."""
        if x in self._images:
            return self._turned(x, tuple(STORED[axis] for axis in perm))
        return self._alias(x, image=True) if perm == STORED else self._turned(x, perm)

    def reshape(self, x: int, *shape: int) -> int:
        """The same elements in another shape."""
        x = self._plain(x)
        return self._alias(x, image=False) if self._stored(x) == shape else self._shaped(x, shape)

    def global_pool(self, x: int) -> int:
        """Mean over height and width, which become 1."""
        x = self._as_image(x)
        batch, _, _, channels = self._stored(x)
        return self._image(self._reduced("MEAN", x, (1, 2), (batch, 1, 1, channels), keep=True))

    def pool(self, op: str, x: int, kernel: int, stride: int, **_attributes: Setting) -> int:
        """MaxPool or AveragePool, padded by half its kernel."""
        x = self._as_image(x)
        if stride > 1:
            side = kernel // 2, kernel // 2
            x = self._padded(x, (0, 0), side, side, (0, 0), value=-3e38 if op == "MaxPool" else None)
        batch, height, width, channels = self._stored(x)
        size = tuple(n if stride == 1 else (n - kernel) // stride + 1 for n in (height, width))
        settings = {"padding": SAME if stride == 1 else VALID, "strideH": stride, "strideW": stride}
        name = "MAX_POOL_2D" if op == "MaxPool" else "AVERAGE_POOL_2D"
        output = (batch, size[0], size[1], channels)
        return self._image(self._add(name, (x,), output, filterHeight=kernel, filterWidth=kernel, **settings))

    def concat(self, axis: int, *values: int) -> int:
        """Concatenate tensors along an axis."""
        image = any(value in self._images for value in values)
        values = tuple(self._as_image(value) if image else value for value in values)
        axis = STORED[axis] if image else axis
        shape = list(self._stored(values[0]))
        shape[axis] = sum(self._stored(value)[axis] for value in values)
        made = self._add("CONCATENATION", values, tuple(shape), axis=axis)
        return self._image(made) if image else made

    def slice(self, x: int, axis: int, start: int, end: int) -> int:
        """A part of a tensor along an axis."""
        x = self._plain(x)
        shape = list(self._stored(x))
        begin = [start if place == axis else 0 for place in range(len(shape))]
        shape[axis] = end - start
        return self._add("SLICE", (x, self._int32(*begin), self._int32(*shape)), tuple(shape))

    def split(self, x: int, axis: int, *sizes: int) -> tuple[int, ...]:
        """A tensor in parts along an axis."""
        ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
        axis %= len(self.shape(x))
        return tuple(self.slice(x, axis, end - size, end) for size, end in zip(sizes, ends, strict=True))

    def pad(self, x: int, *after: int) -> int:
        """Zeros after the end of each axis, with the given count per axis."""
        sides = [(0, count) for count in after]
        return self._padded(x, *([sides[axis] for axis in (0, 2, 3, 1)] if x in self._images else sides))

    def resize(self, x: int, factor: int, mode: str = "nearest") -> int:
        """An image enlarged by an integer factor."""
        x = self._as_image(x)
        batch, height, width, channels = self._stored(x)
        size = height * factor, width * factor
        op = "RESIZE_BILINEAR" if mode == "linear" else "RESIZE_NEAREST_NEIGHBOR"
        return self._image(self._add(op, (x, self._int32(*size)), (batch, *size, channels), halfPixelCenters=1))


def _broadcast(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of an elementwise operator's output."""
    rank = max(len(left), len(right))
    padded = [(1,) * (rank - len(shape)) + shape for shape in (left, right)]
    return tuple(max(sizes) for sizes in zip(*padded, strict=True))
