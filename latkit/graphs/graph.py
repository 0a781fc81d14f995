"""The graph: operators of ONNX or TFLite with the shapes of all tensors; a kernel, or a full external network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from latkit._io import other_format, reading_json, write_record
from latkit.errors import UsageError
from latkit.graphs.documents import (
    as_integer,
    constant_from_json,
    constant_to_json,
    key_of_document,
    node_from_json,
    node_to_json,
    tensor_from_json,
    tensor_to_json,
)
from latkit.graphs.node import ABSENT, TYPES, Constant, Node, Setting, Tensor
from latkit.graphs.node_rules import NodeRules
from latkit.graphs.onnx import nodes as onnx_nodes
from latkit.graphs.tflite import nodes as tflite_nodes
from latkit.ops import Op, digest

__all__ = ["ABSENT", "NODE_RULES", "OPSET", "TYPES", "Constant", "Graph", "Node", "Setting", "Tensor"]

FORMAT = "latkit-graph-1"

OPSET = 17
"""The default ONNX opset of a graph."""

MAX_OPSET = 1000

NODE_RULES: Mapping[str, NodeRules] = {"onnx": onnx_nodes.RULES, "tflite": tflite_nodes.RULES}
"""By dialect: the operator set that nodes are of."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in topological order.

    Values are numbered: first the inputs, then the constants, then the nodes' outputs in order. The name is for people
    and not part of the key. Nodes are in their dialect's normal form, whatever their source, so that measurements of
    earlier versions match. Raises UsageError where nodes do not fit together.
    """

    workload_kind: ClassVar[str] = "graph"

    inputs: tuple[Tensor, ...]
    constants: tuple[Constant, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    opset: int = OPSET
    name: str = field(default="", compare=False)
    input_names: tuple[str, ...] = field(default=(), compare=False)
    """Names of the inputs in the file: for people, and not saved in records."""
    node_names: tuple[str, ...] = field(default=(), compare=False)
    """Name of each node in the file, or of its first output: for people, and not saved in records."""
    dialect: str = "onnx"
    """Whose operators the nodes are, one of `NODE_RULES`."""
    channels_last: bool = False
    """Of a part of a network: whether its runtime has the images that it takes with the channels last, and computes
    the part in another way than with the channels first."""

    def __post_init__(self) -> None:
        if self.dialect not in NODE_RULES:
            raise UsageError(f"expected operators of {' or '.join(NODE_RULES)}, but found {str(self.dialect)[:50]!r}")
        rules = NODE_RULES[self.dialect]
        if not 1 <= self.opset <= MAX_OPSET:
            raise UsageError(f"expected a release of ONNX's operators, but found {self.opset}")
        tensors = [*self.inputs, *(constant.tensor for constant in self.constants)]
        nodes = []
        for node in self.nodes:
            if not all(ABSENT <= number < len(tensors) for number in node.inputs) or not node.outputs:
                found = str(node.inputs)[:200] if node.outputs else "no output"
                raise UsageError(
                    f"{node.op[:50]}: expected inputs among the {len(tensors)} values before it, but found {found}"
                )
            nodes.append(rules.normalize(node, tensors, self.opset))
            rules.check(nodes[-1], tensors)
            tensors += node.outputs
        object.__setattr__(self, "nodes", tuple(nodes))
        if not self.outputs or not all(0 <= number < len(tensors) for number in self.outputs):
            found = str(self.outputs)[:200]
            raise UsageError(f"expected outputs among the graph's {len(tensors)} values, but found {found}")

    @property
    def ops(self) -> tuple[Op, ...]:
        """None: nodes are operators of the file's format, not ops, and have the types of their tensors."""
        return ()

    def in_precision(self, precision: str) -> Graph:  # noqa: ARG002
        """The graph itself: its nodes have the types of their tensors."""
        return self

    def with_precision(self, precision: str) -> Graph:  # noqa: ARG002
        """The graph itself: its nodes have the types of their tensors."""
        return self

    @property
    def key(self) -> str:
        """Hash of all but the name, and the scales and zero points of quantized tensors."""
        return digest(key_of_document(self.to_json()))

    @property
    def title(self) -> str:
        """Short name for people: kernels of one kind differ, so part of the key is included."""
        return f"{self.name or 'graph'} {self.key[:8]}"

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run."""
        tensors = self.tensors()
        return sum(NODE_RULES[self.dialect].macs(node, tensors) for node in self.nodes)

    @property
    def parameters(self) -> int:
        """Number of weight elements."""
        return sum(constant.tensor.elements for constant in self.constants if constant.values is None)

    def tensors(self) -> tuple[Tensor, ...]:
        """Every value's tensor, by its number."""
        given = (tensor for node in self.nodes for tensor in node.outputs)
        return (*self.inputs, *(constant.tensor for constant in self.constants), *given)

    def constant(self, number: int) -> Constant | None:
        """The constant of that number, or None where the value is not a constant."""
        index = number - len(self.inputs)
        return self.constants[index] if 0 <= index < len(self.constants) else None

    def first_outputs(self) -> tuple[int, ...]:
        """Number of every node's first output."""
        numbers, next_number = [], len(self.inputs) + len(self.constants)
        for node in self.nodes:
            numbers.append(next_number)
            next_number += len(node.outputs)
        return tuple(numbers)

    def to_json(self) -> dict[str, Any]:
        """The graph as a JSON document. Its dialect is included only where it is not ONNX, as in earlier files, and
        the place of the channels only where it is the last."""
        dialect = {} if self.dialect == "onnx" else {"dialect": self.dialect}
        layout = {"channels_last": True} if self.channels_last else {}
        return {
            "format": FORMAT,
            **dialect,
            **layout,
            "name": self.name,
            "opset": self.opset,
            "inputs": [tensor_to_json(tensor) for tensor in self.inputs],
            "constants": [constant_to_json(constant) for constant in self.constants],
            "nodes": [node_to_json(node) for node in self.nodes],
            "outputs": list(self.outputs),
        }

    @classmethod
    def from_json(cls, document: object) -> Graph:
        """The graph of a JSON document, checked. Raises UsageError."""
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            found = document.get("format") if isinstance(document, dict) else None
            raise UsageError(f"expected a document of format {FORMAT!r}, but found {other_format(found, [FORMAT])}")
        try:
            return cls(
                tuple(tensor_from_json(entry) for entry in document["inputs"]),
                tuple(constant_from_json(entry) for entry in document["constants"]),
                tuple(node_from_json(entry) for entry in document["nodes"]),
                tuple(as_integer(number) for number in document["outputs"]),
                as_integer(document["opset"]),
                str(document.get("name", "")),
                dialect=str(document.get("dialect", "onnx")),
                channels_last=bool(document.get("channels_last", False)),
            )
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise UsageError(f"expected a graph, but found one whose part is wrong: {str(error)[:200]}") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the graph as JSON, atomically."""
        write_record(path, self.to_json(), indent=None)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Graph:
        """Read a graph from JSON. Raises BadFile."""
        with reading_json(path, "a graph as JSON") as document:
            return cls.from_json(document)
