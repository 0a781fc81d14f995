"""The graph: operators of ONNX with the shapes of all that flows between them; a kernel, or a whole foreign network."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latkit._io import write_text
from latkit.errors import BadFile, UsageError
from latkit.ops import digest

FORMAT = "latkit-graph-1"

OPSET = 17
"""The release of ONNX's operators that a graph is written in unless it says otherwise."""

Setting = int | float | str | tuple[int, ...] | tuple[float, ...]
"""What an attribute of a node may hold."""

ABSENT = -1
"""Stands for an optional input that is not given."""

TYPES = ("float32", "int64", "int32", "bool")


@dataclass(frozen=True, slots=True)
class Tensor:
    """What flows along an edge. The shape is whole: with the batch, if there is one."""

    shape: tuple[int, ...]
    type: str = "float32"

    def __post_init__(self) -> None:
        if self.type not in TYPES:
            raise UsageError(f"expected a tensor of {', '.join(TYPES)}, but found {self.type!r}")
        if not all(type(size) is int and size >= 0 for size in self.shape):
            raise UsageError(f"expected a tensor of whole sizes, but found {self.shape}")

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor that belongs to the network. Weights are a shape: their values are made up when they are needed.

    Numbers that decide what is computed (an axis, a new shape, a scale) are kept in `values`, flat.
    """

    tensor: Tensor
    values: tuple[int | float, ...] | None = None

    def __post_init__(self) -> None:
        if self.values is not None and len(self.values) != self.tensor.elements:
            raise UsageError(f"expected {self.tensor.elements} values in a constant, but found {len(self.values)}")


@dataclass(frozen=True, slots=True)
class Node:
    """One operator: where its inputs come from (numbers of values in the graph, or `ABSENT`) and what it gives."""

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[Tensor, ...]
    attributes: tuple[tuple[str, Setting], ...] = ()

    def get(self, name: str, default: Any = None) -> Any:
        """The attribute of that name, or the default."""
        return next((value for known, value in self.attributes if known == name), default)


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in an order in which they can be computed.

    Values are numbered: first the inputs, then the constants, then what the nodes give, one after the other. The name
    is for people and not part of the key.
    """

    inputs: tuple[Tensor, ...]
    constants: tuple[Constant, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    opset: int = OPSET
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        known = len(self.inputs) + len(self.constants)
        for node in self.nodes:
            if not all(ABSENT <= number < known for number in node.inputs) or not node.outputs:
                raise UsageError(f"{node.op}: expected inputs among the {known} values before it, but found {node}")
            known += len(node.outputs)
        if not self.outputs or not all(0 <= number < known for number in self.outputs):
            raise UsageError(f"expected outputs among the graph's {known} values, but found {self.outputs}")

    @property
    def key(self) -> str:
        """Hash of all but the name."""
        return digest({name: value for name, value in self.to_json().items() if name != "name"})

    @property
    def title(self) -> str:
        """Short name for people: a kernel's kind is not its own, so part of the key comes with it."""
        return f"{self.name or 'graph'} {self.key[:8]}"

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run."""
        return sum(node_macs(node, self.tensors()) for node in self.nodes)

    @property
    def parameters(self) -> int:
        """How many numbers its weights are."""
        return sum(constant.tensor.elements for constant in self.constants if constant.values is None)

    def tensors(self) -> tuple[Tensor, ...]:
        """Every value's tensor, by its number."""
        given = (tensor for node in self.nodes for tensor in node.outputs)
        return (*self.inputs, *(constant.tensor for constant in self.constants), *given)

    def constant(self, number: int) -> Constant | None:
        """The constant of that number, or None where the value is none."""
        index = number - len(self.inputs)
        return self.constants[index] if 0 <= index < len(self.constants) else None

    def first_outputs(self) -> tuple[int, ...]:
        """Number of every node's first output."""
        numbers, following = [], len(self.inputs) + len(self.constants)
        for node in self.nodes:
            numbers.append(following)
            following += len(node.outputs)
        return tuple(numbers)

    def to_json(self) -> dict[str, object]:
        """The graph as a JSON document."""
        return {
            "format": FORMAT,
            "name": self.name,
            "opset": self.opset,
            "inputs": [_tensor_to_json(tensor) for tensor in self.inputs],
            "constants": [
                [*_tensor_to_json(constant.tensor), None if constant.values is None else list(constant.values)]
                for constant in self.constants
            ],
            "nodes": [
                {
                    "op": node.op,
                    "inputs": list(node.inputs),
                    "outputs": [_tensor_to_json(tensor) for tensor in node.outputs],
                    "attributes": {k: list(v) if isinstance(v, tuple) else v for k, v in node.attributes},
                }
                for node in self.nodes
            ],
            "outputs": list(self.outputs),
        }

    @classmethod
    def from_json(cls, document: object) -> Graph:
        """The graph of a JSON document, checked. Raises UsageError."""
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            found = document.get("format") if isinstance(document, dict) else type(document).__name__
            raise UsageError(f"expected a document of format {FORMAT!r}, but found {found!r}")
        try:
            return cls(
                tuple(_tensor(entry) for entry in document["inputs"]),
                tuple(Constant(_tensor(entry[:2]), _numbers(entry[2])) for entry in document["constants"]),
                tuple(_node(entry) for entry in document["nodes"]),
                tuple(_whole(number) for number in document["outputs"]),
                _whole(document["opset"]),
                str(document.get("name", "")),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UsageError(f"expected a graph, but found one whose part is amiss: {error!r}") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the graph as JSON, whole or not at all."""
        write_text(path, json.dumps(self.to_json()) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Graph:
        """Read a graph from JSON. Raises BadFile."""
        try:
            return cls.from_json(json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError, UsageError) as error:
            raise BadFile(path, "a graph as JSON", str(error)) from error


def node_macs(node: Node, tensors: tuple[Tensor, ...]) -> int:
    """Multiply-accumulates of one node: those of convolutions and matrix products; others count none."""
    given = node.outputs[0].elements
    if node.op == "Conv":
        return given * math.prod(tensors[node.inputs[1]].shape[1:])
    if node.op == "ConvTranspose":
        return tensors[node.inputs[0]].elements * math.prod(tensors[node.inputs[1]].shape[1:])
    if node.op == "MatMul":
        return given * tensors[node.inputs[0]].shape[-1]
    if node.op == "Gemm":
        return given * tensors[node.inputs[0]].shape[0 if node.get("transA", 0) else 1]
    if node.op == "Einsum":
        return _einsum_macs(node, [tensors[number].shape for number in node.inputs])
    return 0


def _einsum_macs(node: Node, shapes: list[tuple[int, ...]]) -> int:
    """Product of the sizes of all its letters, as if it were computed in one go."""
    words = str(node.get("equation", "")).replace(" ", "").split("->")[0].split(",")
    sizes = {
        letter: size
        for word, shape in zip(words, shapes, strict=True)
        for letter, size in zip(word, shape, strict=False)
    }
    return math.prod(sizes.values()) if len(shapes) > 1 else 0


def _tensor_to_json(tensor: Tensor) -> list[object]:
    return [tensor.type, list(tensor.shape)]


def _tensor(entry: Any) -> Tensor:
    kind, shape = entry
    return Tensor(tuple(_whole(size) for size in shape), kind)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"expected a whole number, but found {value!r}")
    return value


def _numbers(values: Any) -> tuple[int | float, ...] | None:
    if values is None:
        return None
    if not all(type(value) in (int, float, bool) for value in values):
        raise TypeError(f"expected numbers, but found {values!r}")
    return tuple(values)


def _node(entry: Any) -> Node:
    settings: list[tuple[str, Setting]] = []
    for name, value in sorted(entry["attributes"].items()):
        if isinstance(value, list):
            settings.append((name, tuple(_numbers(value) or ())))
        elif isinstance(value, int | float | str):
            settings.append((name, value))
        else:
            raise TypeError(f"expected a setting of {entry['op']}, but found {value!r}")
    inputs = tuple(_whole(number) for number in entry["inputs"])
    return Node(str(entry["op"]), inputs, tuple(_tensor(tensor) for tensor in entry["outputs"]), tuple(settings))
