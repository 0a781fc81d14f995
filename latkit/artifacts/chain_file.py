"""ONNX files of chains as latkit's networks with their weights: files that other tools wrote, from trained models."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from latkit._io import describe_error, one_line, reading
from latkit.errors import BadFile, UsageError
from latkit.ops import Network, Op, Shape, Value, make_op
from latkit.runtimes.onnx.file import EXPECTED, load_model

EPSILON = 1e-5
"""Of the batch norms that latkit's modules have."""
SKIPPED = ("Identity", "Dropout")
QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "DynamicQuantizeLinear")


class Chain(NamedTuple):
    """A network, and the state of its module (`latkit.nn.build_module`)."""

    network: Network
    weights: Mapping[str, Tensor]
    batch: int
    """Images at once."""


def read_chain(path: str | os.PathLike[str], name: str = "") -> Chain:
    """The chain of ops in an ONNX file: convolutions, batch norms, activations, pools and fully connected layers.

    Batch norms are folded into the convolutions. Raises BadFile for no ONNX file, and UsageError, which names the node,
    for a file that is quantized already, has branches, or holds an operator that no op of latkit is.
    """
    graph = _load(path).graph
    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    constants |= {
        node.output[0]: numpy_helper.to_array(attribute.t)
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }
    inputs = [item for item in graph.input if item.name not in constants]
    if len(inputs) != 1:
        raise UsageError(f"{path}: expected a chain of ops with one input, but found {len(inputs)} inputs")
    batch, *sizes = [size.dim_value for size in inputs[0].type.tensor_type.shape.dim] or [0]
    if not sizes or min(sizes) < 1:
        raise UsageError(f"{path}: expected an input of fixed size, but found {sizes or 'none'}; export it with sizes")
    reader = _Reader(tuple(sizes), constants)
    nodes = [node for node in graph.node if node.op_type != "Constant"]
    current = inputs[0].name
    for _ in nodes:
        consumers = [node for node in nodes if current in node.input]
        if len(consumers) != 1:
            raise UsageError(f"{path}: expected a chain of ops, but {len(consumers)} nodes take {current!r}")
        _take(reader, consumers[0], path)
        current = consumers[0].output[0]
    reader.flush()
    if not reader.ops:
        raise UsageError(f"{path}: expected a chain of ops, but found none")
    return Chain(Network(tuple(reader.ops), name), reader.weights, max(batch, 1))


def _load(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """The model with its weights. Raises BadFile."""
    model = load_model(path)
    with reading(path, EXPECTED):
        try:
            onnx.load_external_data_for_model(model, str(Path(path).parent))
            onnx.checker.check_model(model)
        except Exception as error:  # protobuf and onnx raise many kinds
            found = f"what onnx's checker refuses: {describe_error(error)}"
            raise BadFile(path, EXPECTED, found).with_detail(error) from error
    return model


def _take(reader: _Reader, node: onnx.NodeProto, path: object) -> None:
    """Read one node. Raises UsageError, which names it."""
    title = f"{path}: node {node.name or node.output[0]!r} ({node.op_type})"
    if node.op_type in QUANTIZED:
        raise UsageError(f"{title}: expected a network in fp32, but it is quantized already; give the one before that")
    if node.op_type in SKIPPED:
        return
    if node.op_type not in READERS:
        raise UsageError(f"{title}: expected a chain of {', '.join(READERS)}")
    settings = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    values = [reader.constants[one] for one in node.input if one in reader.constants]
    try:
        READERS[node.op_type](reader, settings, values)
    except UsageError as error:
        raise UsageError(f"{title}: {error}") from error
    except (ValueError, IndexError, TypeError, RuntimeError) as error:  # weights that are missing, or of other shapes
        raise UsageError(f"{title}: expected weights in the file, but {one_line(str(error))}") from error


@dataclass
class _Convolution:
    """One that later nodes may still change."""

    attributes: dict[str, Value]
    weight: Any
    bias: Any


@dataclass
class _Reader:
    """The ops so far, and their weights."""

    shape: Shape
    constants: Mapping[str, Any]
    ops: list[Op] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)
    pending: _Convolution | None = None

    def add(self, kind: str, attributes: Mapping[str, Value], weights: Mapping[str, Any] | None = None) -> None:
        """An op behind the pending convolution."""
        self.flush()
        self._append(make_op(kind, self.shape, **attributes), weights or {})

    def flush(self) -> None:
        """Write the pending convolution as an op with a batch norm that adds its bias."""
        if self.pending is None:
            return
        found, self.pending = self.pending, None
        count = len(found.bias)
        weights = {
            "0.weight": found.weight,
            "1.weight": np.full(count, math.sqrt(1 + EPSILON), np.float32),
            "1.bias": found.bias,
            "1.running_mean": np.zeros(count, np.float32),
            "1.running_var": np.ones(count, np.float32),
            "1.num_batches_tracked": np.array(0),
        }
        self._append(make_op("conv", self.shape, **found.attributes), weights)

    def _append(self, op: Op, weights: Mapping[str, Any]) -> None:
        self.weights |= {f"{len(self.ops)}.{name}": torch.tensor(value) for name, value in weights.items()}
        self.ops.append(op)
        self.shape = op.output_shape


def _expect(what: str, holds: bool, found: object) -> None:
    if not holds:
        raise UsageError(f"expected {what}, but found {found}")


def _window(settings: Mapping[str, Any], default: int = 1) -> tuple[int, int, list[int]]:
    """Kernel, stride and padding of a square window."""
    kernel, strides = list(settings.get("kernel_shape", [default] * 2)), list(settings.get("strides", [1, 1]))
    pads, dilations = list(settings.get("pads", [0] * 4)), list(settings.get("dilations", [1, 1]))
    _expect("a square window", len(set(kernel)) == len(set(strides)) == 1 and len(kernel) == 2, (kernel, strides))
    _expect("no dilation", set(dilations) == {1}, dilations)
    return int(kernel[0]), int(strides[0]), pads


def _conv(reader: _Reader, settings: Mapping[str, Any], values: list[Any]) -> None:
    reader.flush()
    weight = values[0]
    kernel, stride, pads = _window(settings, weight.shape[-1])
    _expect(f"padding by {kernel // 2}", pads == [kernel // 2] * 4, pads)
    bias = values[1] if len(values) > 1 else np.zeros(len(weight), np.float32)
    groups = int(settings.get("group", 1))
    reader.pending = _Convolution(
        {"out_channels": len(weight), "kernel": kernel, "stride": stride, "groups": groups, "activation": "none"},
        weight,
        bias,
    )


def _batch_norm(reader: _Reader, settings: Mapping[str, Any], values: list[Any]) -> None:
    pending = reader.pending
    _expect("a convolution before it", pending is not None and pending.attributes["activation"] == "none", "another op")
    assert pending is not None
    scale, shift, mean, variance = values
    factor = scale / np.sqrt(variance + settings.get("epsilon", EPSILON))
    pending.weight = (pending.weight * factor[:, None, None, None]).astype(np.float32)
    pending.bias = ((pending.bias - mean) * factor + shift).astype(np.float32)


def _activation(name: str) -> Callable[[_Reader, Mapping[str, Any], list[Any]], None]:
    def read(reader: _Reader, _settings: Mapping[str, Any], _values: list[Any]) -> None:
        if reader.pending is not None and reader.pending.attributes["activation"] == "none":
            reader.pending.attributes["activation"] = name
        else:
            reader.add("activation", {"function": name})

    return read


def _clip(reader: _Reader, settings: Mapping[str, Any], values: list[Any]) -> None:
    bounds: list[Any] = [float(one) for one in values] or [settings.get("min"), settings.get("max")]
    _expect("bounds of 0 and 6", bounds == [0.0, 6.0], bounds)
    _activation("relu6")(reader, settings, values)


def _pool(function: str) -> Callable[[_Reader, Mapping[str, Any], list[Any]], None]:
    def read(reader: _Reader, settings: Mapping[str, Any], _values: list[Any]) -> None:
        kernel, stride, pads = _window(settings)
        padding = (kernel - 1) // 2
        _expect(f"padding by {padding}", pads == [padding] * 4, pads)
        reader.add("pool", {"function": function, "kernel": kernel, "stride": stride})

    return read


def _global_pool(reader: _Reader, _settings: Mapping[str, Any], _values: list[Any]) -> None:
    reader.add("pool", {"function": "average", "kernel": 0})


def _flatten(reader: _Reader, _settings: Mapping[str, Any], values: list[Any]) -> None:
    reader.flush()
    if len(reader.shape) == 1:
        return  # behind a pool of the whole image, which drops the other dimensions
    elements = math.prod(reader.shape)
    sizes = values[0].tolist() if values else [-1, elements]
    _expect("a vector of all elements", len(sizes) == 2 and sizes[1] in (-1, elements), sizes)
    reader.add("flatten", {})


def _gemm(reader: _Reader, settings: Mapping[str, Any], values: list[Any]) -> None:
    _expect("a plain product", settings.get("alpha", 1.0) == settings.get("beta", 1.0) == 1.0, "scaled factors")
    _expect("weights alone transposed", not settings.get("transA", 0), "a transposed input")
    weight = values[0] if settings.get("transB", 0) else np.ascontiguousarray(values[0].T)
    bias = values[1] if len(values) > 1 else np.zeros(len(weight), np.float32)
    reader.add("linear", {"out_features": len(weight)}, {"weight": weight, "bias": bias})


def _bias(reader: _Reader, _settings: Mapping[str, Any], values: list[Any]) -> None:
    _expect("a constant that is added to a product", bool(values and reader.ops and reader.ops[-1].kind == "linear"),
            "another sum")  # fmt: skip
    key = f"{len(reader.ops) - 1}.bias"
    reader.weights[key] = reader.weights[key] + torch.tensor(values[0])


READERS: Mapping[str, Callable[[_Reader, Mapping[str, Any], list[Any]], None]] = MappingProxyType(
    {
        "Conv": _conv,
        "BatchNormalization": _batch_norm,
        "Relu": _activation("relu"),
        "Clip": _clip,
        "HardSwish": _activation("hswish"),
        "Sigmoid": _activation("sigmoid"),
        "MaxPool": _pool("max"),
        "AveragePool": _pool("average"),
        "GlobalAveragePool": _global_pool,
        "ReduceMean": _global_pool,
        "Flatten": _flatten,
        "Reshape": _flatten,
        "Squeeze": _flatten,
        "Gemm": _gemm,
        "MatMul": _gemm,
        "Add": _bias,
    }
)
"""By ONNX's names."""
