"""Graphs from TFLite files: shapes, attributes and quantization; of constants, only values that decide something."""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from latkit._io import one_line, reading
from latkit.errors import BadFile, UsageError
from latkit.graphs.graph import ABSENT, Constant, Graph, Node, Setting, Tensor
from latkit.graphs.node import QUANTIZED, Quantization
from latkit.graphs.tflite.nodes import OPTIONS, VERSION
from latkit.runtimes.litert.schema import DTYPES, EXPECTED, Schema, bounded

TYPES = {name: DTYPES[name] for name in ("FLOAT32", "FLOAT16", "INT64", "INT32", "INT16", "INT8", "UINT8", "BOOL")} | {
    "INT4": "int4"
}
"""Element types that a graph may hold."""

NESTED = frozenset({"IF", "WHILE", "CALL_ONCE", "CALL", "STABLEHLO_COMPOSITE", "STABLEHLO_WHILE", "STABLEHLO_CASE"})
"""Operators that run another graph of the file."""

STATEFUL = frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "HASHTABLE", "HASHTABLE_FIND", "SVDF"})

FOLDED = frozenset({"DEQUANTIZE", "DENSIFY"})
"""Operators on constants that are computed before any run; others are computed in every run."""

FEW = 1
"""More truth values are a mask, which decides nothing."""

MAX_VALUES = 2**20
"""A constant of more integers is a table: its values are dropped."""

MAX_NODES = 50_000


def read_tflite_graph(
    path: str | os.PathLike[str], shapes: Mapping[str, tuple[int, ...]] | None = None, batch: int = 1
) -> Graph:
    """The graph of a TFLite file, of its first signature, for the sizes that it was written for.

    Requested shapes must be those. Raises BadFile and MissingExtra.
    """
    path = Path(path)
    if not path.is_file():
        raise BadFile(path, EXPECTED, "no such file" if not path.exists() else "no regular file")
    with reading(path, EXPECTED), path.open("rb") as file:
        if file.read(8)[4:] != b"TFL3":
            raise BadFile(path, EXPECTED, "another format")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
            graph = _Reading(raw, path).graph()
    _check_sizes(graph, path, shapes or {}, batch)
    return graph


def _check_sizes(graph: Graph, path: Path, shapes: Mapping[str, tuple[int, ...]], batch: int) -> None:
    """Raise BadFile for other sizes than the file's: its tensors, and the constants beside them, would not fit."""
    found = {name: tensor.shape for name, tensor in zip(graph.input_names, graph.inputs, strict=True)}
    for name, shape in shapes.items():
        if name not in found:
            raise BadFile(path, f"an input named {one_line(name, 80)!r}", f"inputs named {', '.join(found)}")
        if tuple(shape) != found[name]:
            shown = "x".join(map(str, found[name]))
            raise BadFile(path, f"the size that it was written for, {name}={shown}", "x".join(map(str, shape)))
    if batch > 1 and not any(shape and shape[0] == batch for shape in found.values()):
        shown = ", ".join(f"{one_line(name, 80)} of {'x'.join(map(str, shape))}" for name, shape in found.items())
        raise BadFile(path, f"an input of the target's batch, {batch}", f"{shown}; name a target of its batch")


class _Reading:
    """Converts the first signature's graph of a file to a Graph. Nothing refers to the file's memory afterwards."""

    def __init__(self, raw: mmap.mmap, path: Path) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.path = path
        self.parsed = Schema(raw, path)
        self.options = {value: name for name, value in vars(schema.BuiltinOptions).items() if isinstance(value, int)}
        self.create_options = schema.BuiltinOptionsCreator
        _, self.file_graph, self.input_names = self.parsed.signature("")
        self.constants: set[int] = set()
        """Tensors with values in the file, or computed from those before any run."""

    def graph(self) -> Graph:
        """The graph without unused constants, and without nodes that are computed before any run."""
        operators = [self.file_graph.Operators(n) for n in bounded(self.file_graph.OperatorsLength(), MAX_NODES)]
        inputs = [int(self.file_graph.Inputs(n)) for n in bounded(self.file_graph.InputsLength(), 4096)]
        outputs = [int(self.file_graph.Outputs(n)) for n in bounded(self.file_graph.OutputsLength(), 4096)]
        computing = self._computing(operators, inputs)
        taken = list(dict.fromkeys(n for op in computing for n in _inputs(op) if n >= 0))
        used = [n for n in inputs if n in taken]
        constants = [n for n in taken if n in self.constants]
        numbers = {ABSENT: ABSENT} | {known: place for place, known in enumerate([*used, *constants])}
        nodes = []
        for op in computing:
            nodes.append(self._node(op, numbers))
            for given in _outputs(op):
                numbers[given] = len(numbers) - 1
        given_outputs = tuple(dict.fromkeys(numbers[n] for n in outputs if n in numbers))
        if not nodes or not given_outputs:
            raise BadFile(self.path, "a network that computes something", "constants only")
        return Graph(
            tuple(self._tensor(n) for n in used),
            tuple(self._constant(n) for n in constants),
            tuple(nodes),
            given_outputs,
            name=self.path.stem,
            input_names=tuple(self.input_names.get(n) or self.parsed.tensor(self.file_graph, n)[2] for n in used),
            node_names=tuple(self._name(op) for op in computing),
            dialect="tflite",
        )

    def _computing(self, operators: Sequence[Any], inputs: Sequence[int]) -> list[Any]:
        """The operators that a run computes: weights are dequantized once, when the file is loaded."""
        given = {n for op in operators for n in _outputs(op)}
        self.constants = {n for op in operators for n in _inputs(op) if n >= 0} - given - {*inputs}
        computing = []
        for op in operators:
            self._check(op)
            weights = self.parsed.kind(op.OpcodeIndex()) in FOLDED
            if weights and all(n < 0 or n in self.constants for n in _inputs(op)):
                self.constants |= {*_outputs(op)}
            else:
                computing.append(op)
        return computing

    def _check(self, op: Any) -> None:
        """Raise BadFile for an operator whose work is not known from the file."""
        kind = self.parsed.kind(op.OpcodeIndex())
        if kind.startswith(("CUSTOM", "BUILTIN_", "DELEGATE")):
            raise BadFile(self.path, "operators of TFLite's own", one_line(kind, 100))
        if kind in NESTED:
            raise BadFile(self.path, "a network without branches, loops and calls", kind)
        if kind in STATEFUL:
            raise BadFile(self.path, "a network without state between its runs", kind)
        if op.OutputsLength() == 0:
            raise BadFile(self.path, EXPECTED, f"{kind} without an output")

    def _node(self, op: Any, numbers: dict[int, int]) -> Node:
        kind = self.parsed.kind(op.OpcodeIndex())
        missing = next((n for n in _inputs(op) if n not in numbers), None)
        if missing is not None:
            raise BadFile(self.path, "nodes in an order in which they can be computed", f"tensor {missing} too early")
        outputs = tuple(self._tensor(n) for n in _outputs(op))
        return Node(kind, tuple(numbers[n] for n in _inputs(op)), outputs, self._settings(op))

    def _settings(self, op: Any) -> tuple[tuple[str, Setting], ...]:
        """The operator's options without those that have the schema's default, and its version where it is not 1."""
        found: dict[str, Setting] = {}
        version = self.parsed.model.OperatorCodes(op.OpcodeIndex()).Version()
        if version != 1:
            found[VERSION] = int(version)
        kind, table = op.BuiltinOptionsType(), op.BuiltinOptions()
        options = self.create_options(kind, table) if table is not None else None
        if options is None:
            return tuple(found.items())
        defaults = vars(type(options)())
        found[OPTIONS] = self.options[kind]
        for name, value in vars(options).items():
            setting = _setting(value)
            if setting is not None and setting != _setting(defaults[name]):
                found[name] = setting
        return tuple(found.items())

    def _name(self, op: Any) -> str:
        return one_line(self.parsed.tensor(self.file_graph, int(op.Outputs(0)))[2], 200)

    def _tensor(self, index: int) -> Tensor:
        kind, shape, name = self.parsed.tensor(self.file_graph, index)
        shown = one_line(name, 80)
        found = self.file_graph.Tensors(index)
        if found.IsVariable():
            raise BadFile(self.path, "a network without state between its runs", f"the variable {shown!r}")
        if kind not in TYPES:
            raise BadFile(self.path, f"tensors of {', '.join(sorted(TYPES))}", f"{shown!r} of {kind}")
        written = tuple(int(found.Shape(n)) for n in bounded(found.ShapeLength(), 64))
        if any(size < 0 for size in written):
            raise BadFile(self.path, "a network whose shapes are known before it runs", f"{shown!r} of {shape}")
        return Tensor(written, TYPES[kind], _quantization(found.Quantization()))

    def _constant(self, index: int) -> Constant:
        """A constant, with its values if they are few integers, or one number: they may decide what is computed."""
        tensor = self._tensor(index)
        numbers = tensor.type not in QUANTIZED or (tensor.quantization is None and tensor.type != "int4")
        integers = numbers and not tensor.type.startswith("float") and not _is_bias(tensor)
        integers = integers and (tensor.type != "bool" or tensor.elements <= FEW)
        if not integers and not (tensor.elements == 1 and tensor.type == "float32"):
            return Constant(tensor)
        values = self._values(index, tensor) if tensor.elements <= MAX_VALUES else None
        if values is None and integers and tensor.elements <= MAX_VALUES:
            raise BadFile(self.path, "values in its constants of integers", "a computed one")
        return Constant(tensor, values)

    def _values(self, index: int, tensor: Tensor) -> tuple[int | float, ...] | None:
        """What a constant's buffer holds; None where it has none."""
        buffer = self.file_graph.Tensors(index).Buffer()
        held = self.parsed.model.Buffers(buffer) if 0 < buffer < self.parsed.model.BuffersLength() else None
        length = held.DataLength() if held is not None else 0
        if not tensor.elements or held is None or not length:
            return None if tensor.elements else ()
        dtype = np.dtype(tensor.type)
        if length != tensor.elements * dtype.itemsize:
            expected = f"{tensor.elements * dtype.itemsize} bytes in a constant"
            raise BadFile(self.path, expected, f"{length} of them")
        return tuple(np.frombuffer(held.DataAsNumpy().tobytes(), dtype).tolist())


def _is_bias(tensor: Tensor) -> bool:
    """Integers with scales: weights of a product's sum, which decide nothing."""
    return tensor.quantization is not None


def _inputs(op: Any) -> list[int]:
    return [max(int(op.Inputs(n)), ABSENT) for n in bounded(op.InputsLength(), 4096)]


def _outputs(op: Any) -> list[int]:
    return [int(op.Outputs(n)) for n in bounded(op.OutputsLength(), 4096)]


def _setting(value: Any) -> Setting | None:
    """An option as a graph's attribute; None for one that is absent."""
    if value is None or isinstance(value, int | float):
        return None if value is None else (int(value) if isinstance(value, bool | int) else value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, str):
        return value
    return tuple(np.asarray(value).tolist())


def _quantization(found: Any) -> Quantization | None:
    """A tensor's quantization; None where it has no scale."""
    if found is None or not found.ScaleLength():
        return None
    if found.Details() is not None:
        raise UsageError("expected one scale for every slice of a tensor, but found a quantization in blocks")
    scale = float(found.Scale(0))
    if not math.isfinite(scale) or scale <= 0:
        scale = 1.0
    zero_point = int(found.ZeroPoint(0)) if found.ZeroPointLength() else 0
    return Quantization(int(found.QuantizedDimension()) if found.ScaleLength() > 1 else None, scale, zero_point)
