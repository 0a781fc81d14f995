"""Graphs from ONNX files and back: only shapes are read, and weights are made up when a file is written."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from latkit.errors import BadFile, ExportError
from latkit.graphs.graph import ABSENT, OPSET, Constant, Graph, Node, Setting, Tensor

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of inputs by their names, for those whose file leaves them open."""

FEW = 64
"""A constant of floats that holds more numbers is a weight: its values do not matter."""

_TYPES: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.INT64: "int64",
    TensorProto.INT32: "int32",
    TensorProto.BOOL: "bool",
}
_CODES = {name: code for code, name in _TYPES.items()}
_HALVES = (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)


def read_graph(path: str | os.PathLike[str], shapes: Shapes | None = None) -> Graph:
    """The graph of any ONNX file. Data that lies outside the file need not be there: only shapes are read.

    What depends on constants alone is folded. `shapes` gives the sizes that the file leaves open; a lone batch is 1.
    Raises BadFile.
    """
    model = _load(path)
    return graph_of_model(model, path, shapes or {}, Path(path).stem)


def graph_of_model(model: onnx.ModelProto, source: object, shapes: Shapes, name: str) -> Graph:
    """The graph of a model in memory, which is changed. Raises BadFile naming its source."""
    _fix_shapes(model, source, shapes)
    weights = _weights_to_inputs(model)
    folded = onnx.shape_inference.infer_shapes(_folded(model, source))
    return _Reading(folded, weights, source).graph(name)


def _load(path: str | os.PathLike[str]) -> onnx.ModelProto:
    expected = "a network as ONNX"
    try:
        model = onnx.load(path, load_external_data=False)
    except FileNotFoundError:
        raise BadFile(path, expected, "no such file") from None
    except (OSError, DecodeError) as error:
        raise BadFile(path, expected, f"no ONNX model ({str(error).splitlines()[0]})") from error
    if not model.graph.node:
        raise BadFile(path, expected, "no nodes in it")
    return model


def _fix_shapes(model: onnx.ModelProto, source: object, shapes: Shapes) -> None:
    """Give every input whole sizes: those asked for, else those of the file, with a batch of 1."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name: value for value in model.graph.input if value.name not in weights}
    unknown = set(shapes) - set(inputs)
    if unknown:
        raise BadFile(source, f"an input named {min(unknown)!r}", f"inputs named {', '.join(inputs)}")
    for name, value in inputs.items():
        tensor = value.type.tensor_type
        sizes: list[int | None] = [
            d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in tensor.shape.dim
        ]
        if sizes and sizes[0] is None:
            sizes[0] = 1
        wanted = list(shapes.get(name, ())) or sizes
        if not tensor.HasField("shape") or any(size is None for size in wanted):
            found = "x".join("?" if size is None else str(size) for size in sizes) or "no shape"
            raise BadFile(
                source, f"whole sizes of its input {name!r}", f"{found}; give them with: --shape {name}=1,3,224,224"
            )
        del tensor.shape.dim[:]
        for size in wanted:
            tensor.shape.dim.add().dim_value = size
    for values in (model.graph.value_info, model.graph.output):
        for value in values:
            value.type.tensor_type.ClearField("shape")


def _weights_to_inputs(model: onnx.ModelProto) -> set[str]:
    """Turn every large constant of floats into an input of its shape; their names."""
    named = {value.name for value in model.graph.input}
    large, kept = set(), []
    for tensor in model.graph.initializer:
        if tensor.data_type in (TensorProto.FLOAT, *_HALVES) and math.prod(tensor.dims) > FEW:
            large.add(tensor.name)
            if tensor.name not in named:
                model.graph.input.append(
                    helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
                )
        else:
            kept.append(tensor)
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    small = {tensor.name for tensor in kept}
    inputs = [value for value in model.graph.input if value.name not in small]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    return large


def _folded(model: onnx.ModelProto, source: object) -> onnx.ModelProto:
    """The model as onnxruntime's basic optimisation leaves it: constants folded, what computes nothing dropped."""
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as reasons

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory(prefix="latkit-") as folder:
        written = str(Path(folder, "folded.onnx"))
        options.optimized_model_filepath = written
        try:
            onnxruntime.InferenceSession(
                model.SerializeToString(),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=["MatMulAddFusion", "GemmActivationFusion"],
            )
        except (reasons.Fail, reasons.InvalidGraph, reasons.NotImplemented, ValueError, RuntimeError) as error:
            raise BadFile(source, "a network that onnxruntime can read", str(error).splitlines()[0]) from error
        return onnx.load(written)


class _Reading:
    """Turns a folded ONNX graph into a Graph."""

    def __init__(self, model: onnx.ModelProto, weights: set[str], source: object) -> None:
        self.source = source
        self.onnx = model.graph
        self.opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), OPSET)
        values = [*self.onnx.value_info, *self.onnx.output, *self.onnx.input]
        self.tensors = {value.name: self._tensor(value) for value in values}
        self.constants: dict[str, Constant] = {
            name: Constant(self.tensors[name]) for name in weights if name in self.tensors
        }
        self.constants |= {
            tensor.name: _constant(tensor, self._type(tensor.data_type)) for tensor in self.onnx.initializer
        }

    def graph(self, name: str) -> Graph:
        """The graph, without what depends on constants alone and without what nothing takes."""
        nodes = self._live(self._computing())
        used = list(dict.fromkeys(taken for node in nodes for taken in node.input))
        inputs = [v.name for v in self.onnx.input if v.name not in self.constants and v.name in used]
        constants = [taken for taken in used if taken in self.constants]
        numbers = {"": ABSENT} | {known: place for place, known in enumerate([*inputs, *constants])}
        made = []
        for node in nodes:
            outputs = tuple(self._known(given) for given in node.output if given)
            taken = tuple(numbers[value] for value in node.input)
            made.append(Node(node.op_type, taken, outputs, _settings(node)))
            for given in node.output:
                if given:
                    numbers[given] = len(numbers) - 1
        outputs_ = tuple(numbers[value.name] for value in self.onnx.output if value.name in numbers)
        if not made or not outputs_:
            raise BadFile(self.source, "a network that computes something", "constants only")
        return Graph(
            tuple(self.tensors[taken] for taken in inputs),
            tuple(self.constants[taken] for taken in constants),
            tuple(made),
            outputs_,
            self.opset,
            name,
        )

    def _computing(self) -> list[onnx.NodeProto]:
        """The nodes that depend on an input. What depends on constants alone becomes one, and is not computed."""
        nodes = []
        for node in self.onnx.node:
            if node.domain not in ("", "ai.onnx"):
                raise BadFile(self.source, "operators of ONNX's own", f"{node.op_type} of {node.domain}")
            if any(
                attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
                for attribute in node.attribute
            ):
                raise BadFile(self.source, "a network without branches and loops", node.op_type)
            if all(not value or value in self.constants for value in node.input):
                self.constants |= {given: Constant(self._known(given)) for given in node.output if given}
            else:
                nodes.append(node)
        return nodes

    def _live(self, nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
        wanted, live = {value.name for value in self.onnx.output}, []
        for node in reversed(nodes):
            if wanted & set(node.output):
                live.append(node)
                wanted |= set(node.input)
        return live[::-1]

    def _known(self, name: str) -> Tensor:
        if name not in self.tensors:
            raise BadFile(self.source, "a network whose shapes are known before it runs", f"{name!r} of none")
        return self.tensors[name]

    def _tensor(self, value: onnx.ValueInfoProto) -> Tensor:
        tensor = value.type.tensor_type
        if not tensor.HasField("shape") or not all(d.HasField("dim_value") for d in tensor.shape.dim):
            raise BadFile(
                self.source, "a network whose shapes are known before it runs", f"{value.name!r} of unknown size"
            )
        return Tensor(tuple(dim.dim_value for dim in tensor.shape.dim), self._type(tensor.elem_type))

    def _type(self, code: int) -> str:
        if code not in _TYPES:
            found = TensorProto.DataType.Name(code)
            raise BadFile(self.source, "a network in 32-bit floats", f"a tensor of {found}")
        return _TYPES[code]


def _constant(tensor: TensorProto, kind: str) -> Constant:
    shape = Tensor(tuple(tensor.dims), kind)
    values = numpy_helper.to_array(tensor).reshape(-1).tolist()
    keep = kind != "float32" or shape.elements == 1
    return Constant(shape, tuple(values) if keep else None)


def _settings(node: onnx.NodeProto) -> tuple[tuple[str, Setting], ...]:
    found: list[tuple[str, Setting]] = []
    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode()
        if isinstance(value, list):
            value = tuple(value)
        if isinstance(value, int | float | str | tuple):
            found.append((attribute.name, value))
    return tuple(sorted(found))


def model_of_graph(graph: Graph, seed: int) -> onnx.ModelProto:
    """The graph as an ONNX model, its weights drawn from the seed: of such a size that values neither vanish nor grow.

    Raises ExportError where onnx finds it wrong.
    """
    rng = np.random.default_rng(seed)
    numbers = range(len(graph.tensors()))
    names = {ABSENT: ""} | {number: f"v{number}" for number in numbers}
    first = graph.first_outputs()
    nodes = [
        _node(node, [names[n] for n in node.inputs], [names[first[index] + n] for n in range(len(node.outputs))])
        for index, node in enumerate(graph.nodes)
    ]
    weights = [
        numpy_helper.from_array(_values(constant, rng), names[len(graph.inputs) + index])
        for index, constant in enumerate(graph.constants)
    ]
    tensors = graph.tensors()
    described = helper.make_graph(
        nodes,
        "graph",
        _described(names, range(len(graph.inputs)), tensors),
        _described(names, graph.outputs, tensors),
        weights,
    )
    model = helper.make_model(described, opset_imports=[helper.make_opsetid("", graph.opset)], ir_version=8)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"cannot write {graph.title} as ONNX: {str(error).splitlines()[0]}") from error
    return model


def _node(node: Node, inputs: list[str], outputs: list[str]) -> onnx.NodeProto:
    settings: dict[str, Any] = {k: list(value) if isinstance(value, tuple) else value for k, value in node.attributes}
    return helper.make_node(node.op, inputs, outputs, **settings)


def _described(names: dict[int, str], numbers: Iterable[int], tensors: tuple[Tensor, ...]) -> list[Any]:
    return [helper.make_tensor_value_info(names[n], _CODES[tensors[n].type], tensors[n].shape) for n in numbers]


def _values(constant: Constant, rng: np.random.Generator) -> NDArray[Any]:
    shape, kind = constant.tensor.shape, constant.tensor.type
    if constant.values is not None:
        return np.array(constant.values, dtype=kind).reshape(shape)
    if len(shape) >= 2:
        fan_in = math.prod(shape[1:]) if len(shape) == 4 else shape[-2]
        return (rng.standard_normal(shape, dtype=np.float32) / np.float32(math.sqrt(fan_in))).astype(kind)
    return rng.uniform(0.5, 1.5, shape).astype(kind)  # scales, variances and biases: positive and away from nothing
