"""Graphs from ONNX files: only shapes are read, and the numbers that determine them."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
from onnx import AttributeProto, TensorProto, helper

from latkit._io import reading
from latkit.errors import BadFile, UsageError
from latkit.graphs.graph import ABSENT, OPSET, Constant, Graph, Node, Setting, Tensor
from latkit.graphs.onnx.operators import VIEWS
from latkit.runtimes.onnx.file import EXPECTED, Shapes, load_model, prepare
from latkit.runtimes.onnx.quantized import (
    QUANTIZERS,
    float_sums,
    quantization_constants,
    with_own_dequantization,
)
from latkit.runtimes.onnx.tensors import FEW, as_numbers, shape_input_names
from latkit.runtimes.onnx.write import model_of_graph

__all__ = ["Shapes", "graph_of_model", "model_of_graph", "read_graph"]

TYPES: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.INT64: "int64",
    TensorProto.INT32: "int32",
    TensorProto.BOOL: "bool",
    TensorProto.INT8: "int8",
    TensorProto.UINT8: "uint8",
}

MAX_VALUES = 2**20
"""A constant of more integers is a table: its values are dropped, unless they determine a shape."""


def read_graph(path: str | os.PathLike[str], shapes: Shapes | None = None, batch: int = 1) -> Graph:
    """The graph of any ONNX file. External weight data may be missing: only shapes are read.

    Parts that depend on constants alone are folded. `shapes` gives the sizes that the file leaves open; a lone batch is
    `batch`, the target's. Raises BadFile.
    """
    return graph_of_model(load_model(path), path, shapes or {}, Path(path).stem, batch)


def graph_of_model(model: onnx.ModelProto, source: object, shapes: Shapes, name: str, batch: int = 1) -> Graph:
    """The graph of a model in memory, which is changed; external data is read from the folder of `source`.

    Raises BadFile naming its source.
    """
    folder = Path(source).parent if isinstance(source, str | os.PathLike) else None
    folded, weights = prepare(model, source, shapes, batch, folder)
    with reading(source, EXPECTED):
        try:
            return _Reading(folded, weights, source).graph(name)
        except BadFile:
            raise
        except UsageError as error:
            raise BadFile(source, "a network whose nodes fit together", str(error)) from error


class _Reading:
    """Converts a folded ONNX graph to a Graph."""

    def __init__(self, model: onnx.ModelProto, weights: set[str], source: object) -> None:
        self.source = source
        self.onnx = model.graph
        self.opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), OPSET)
        self.values = {value.name: value for value in (*self.onnx.value_info, *self.onnx.output, *self.onnx.input)}
        self.stored = {tensor.name: tensor for tensor in self.onnx.initializer}
        self.constants = {*self.stored, *(weights & self.values.keys())}
        """Names of what does not depend on an input."""
        self.quantizing: set[str] = set()
        self.float_sums: set[str] = set()
        """Names of scales of biases that keep a node from being computed in 8 bits."""

    def graph(self, name: str) -> Graph:
        """The graph, without parts that depend on constants alone and without unused values."""
        nodes = with_own_dequantization(self._live(self._computing()), self.values)
        self.float_sums = float_sums(nodes, self.stored)
        self.constants |= self.float_sums
        used = list(dict.fromkeys(taken for node in nodes for taken in node.input if taken))
        inputs = [v.name for v in self.onnx.input if v.name not in self.constants and v.name in used]
        constants = [taken for taken in used if taken in self.constants]
        numbers = {"": ABSENT} | {known: place for place, known in enumerate([*inputs, *constants])}
        made = []
        for node in nodes:
            made.append(self._node(node, numbers))
            for given in node.output:
                if given:
                    numbers[given] = len(numbers) - 1
        outputs = tuple(numbers[value.name] for value in self.onnx.output if value.name in numbers)
        if not made or not outputs:
            raise BadFile(self.source, "a network that computes something", "constants only")
        deciding, self.quantizing = shape_input_names(nodes), quantization_constants(nodes)
        return Graph(
            tuple(self._known(taken) for taken in inputs),
            tuple(self._constant(taken, taken in deciding) for taken in constants),
            tuple(made),
            outputs,
            self.opset,
            name,
            tuple(inputs),
            tuple(node.name or node.output[0] for node in nodes),
        )

    def _node(self, node: onnx.NodeProto, numbers: dict[str, int]) -> Node:
        missing = next((taken for taken in node.input if taken not in numbers), None)
        if missing is not None:
            raise BadFile(self.source, "nodes in an order in which they can be computed", f"{missing!r} too early")
        outputs = tuple(self._known(given) for given in node.output if given)
        if node.op_type in VIEWS:
            given = self._known(node.input[0])
            if given.elements != outputs[0].elements:
                raise BadFile(
                    self.source,
                    "a network that can take inputs of these sizes",
                    f"{node.op_type} of {given.shape} into {outputs[0].shape}",
                )
        last = max(place for place, name in enumerate(node.output) if name)
        skipped = tuple(place for place, name in enumerate(node.output[:last]) if not name)
        taken = tuple(numbers[value] for value in node.input)
        return Node(node.op_type, taken, outputs, _settings(node), skipped)

    def _computing(self) -> list[onnx.NodeProto]:
        """The nodes that depend on an input. Values that depend on constants alone become constants."""
        nodes = []
        for node in self.onnx.node:
            if node.domain not in ("", "ai.onnx"):
                raise BadFile(self.source, "operators of ONNX's own", f"{node.op_type} of {node.domain}")
            if any(attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for attribute in node.attribute):
                raise BadFile(self.source, "a network without branches and loops", node.op_type)
            constant = all(not value or value in self.constants for value in node.input)
            if constant and node.op_type not in QUANTIZERS:  # weights stay of 8 bits
                self.constants |= {given for given in node.output if given}
            else:
                nodes.append(node)
        return nodes

    def _live(self, nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
        live_names, live = {value.name for value in self.onnx.output}, []
        for node in reversed(nodes):
            if any(name and name in live_names for name in node.output):
                live.append(node)
                live_names |= set(node.input)
        return live[::-1]

    def _constant(self, name: str, deciding: bool) -> Constant:
        stored = self.stored.get(name)
        if stored is None:
            return Constant(self._known(name))
        tensor = Tensor(tuple(stored.dims), self._type(stored.data_type))
        if name in self.float_sums:  # a value: other scales are examples, which the graph's key does not hold
            return Constant(tensor, as_numbers(stored))
        if name in self.quantizing and not deciding:
            is_weight = tensor.elements > FEW and tensor.type in ("int8", "uint8")
            return Constant(tensor, example=None if is_weight else as_numbers(stored)[:1] or None)
        integers = tensor.type not in ("float32", "int8", "uint8")
        keep = deciding or tensor.elements == 1 or (integers and tensor.elements <= MAX_VALUES)
        return Constant(tensor, as_numbers(stored) if keep else None)

    def _known(self, name: str) -> Tensor:
        if name in self.stored:
            return Tensor(tuple(self.stored[name].dims), self._type(self.stored[name].data_type))
        value = self.values.get(name)
        tensor = None if value is None else value.type.tensor_type
        if tensor is None or not tensor.HasField("shape") or not all(d.HasField("dim_value") for d in tensor.shape.dim):
            found = f"{name!r} of {'none' if tensor is None else 'unknown size'}"
            raise BadFile(self.source, "a network whose shapes are known before it runs", found)
        return Tensor(tuple(dim.dim_value for dim in tensor.shape.dim), self._type(tensor.elem_type))

    def _type(self, code: int) -> str:
        if code not in TYPES:
            known = code in TensorProto.DataType.values()
            found = TensorProto.DataType.Name(code) if known else f"type {code}"
            raise BadFile(self.source, "a network in 32-bit floats or 8-bit integers", f"a tensor of {found}")
        return TYPES[code]


def _settings(node: onnx.NodeProto) -> tuple[tuple[str, Setting], ...]:
    found: list[tuple[str, Setting]] = []
    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode()
        if isinstance(value, list):
            value = tuple(one.decode() if isinstance(one, bytes) else one for one in value)
        if isinstance(value, int | float | str | tuple):
            found.append((attribute.name, value))
    return tuple(found)
