"""The network: ops and their inputs, as a record that is saved and loaded as JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import ClassVar

from latkit._io import check_label, other_format, reading_json, write_record
from latkit.errors import UsageError
from latkit.ops.attribute import Shape, shown
from latkit.ops.connections import INPUT, Inputs, check_chain, check_graph
from latkit.ops.op import Op, digest
from latkit.ops.precision import FP32

FORMAT = "latkit-network-2"
FORMATS = ("latkit-network-1", FORMAT)
"""Formats that are read. Networks of the first are chains."""
MAX_OPS = 10_000
MAX_NAME_CHARS = 200
"""More than the maximum of a space's name: its networks are named after it."""
MAX_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Network:
    """Ops, and for each op the ops whose outputs it takes: a directed acyclic graph with one input and one output.

    An op stands after its inputs, and the last op gives the output. Without `inputs`, the ops are a chain: each takes
    the output of the one before it. The name is for people and not part of the key.
    """

    workload_kind: ClassVar[str] = "network"

    ops: tuple[Op, ...]
    name: str = field(default="", compare=False)
    inputs: Inputs = ()
    """For every op, the indices of the ops whose outputs it takes, in order; `INPUT` is the network's own input."""

    def __post_init__(self) -> None:
        if not self.ops:
            raise UsageError("a network needs at least one op")
        if not self.inputs:
            object.__setattr__(self, "inputs", _chain(len(self.ops)))
        if self.is_chain:
            check_chain(self.ops)
        else:
            check_graph(self.ops, self.inputs)

    @property
    def is_chain(self) -> bool:
        """Whether each op takes the output of the one before it, and nothing else."""
        return self.inputs == _chain(len(self.ops))

    @property
    def key(self) -> str:
        """Hash of the ops in order, and of their inputs unless they are a chain."""
        ops = [op.to_json() for op in self.ops]
        return digest(ops if self.is_chain else {"ops": ops, "inputs": self.inputs})

    @property
    def input_shape(self) -> Shape:
        """Shape of the input, without the batch."""
        index = next(index for index, taken in enumerate(self.inputs) if INPUT in taken)
        return self.ops[index].input_shapes[self.inputs[index].index(INPUT)]

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """The shape of the only input, without the batch, as an op has those of its inputs."""
        return (self.input_shape,)

    @property
    def submodules(self) -> Mapping[str, Op]:
        """The ops by their paths in the network's torch module (`latkit.nn.build_module`)."""
        return {str(index): op for index, op in enumerate(self.ops)}

    @property
    def output_shape(self) -> Shape:
        """Shape of the output, without the batch."""
        return self.ops[-1].output_shape

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one input."""
        return sum(op.macs for op in self.ops)

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return sum(op.parameters for op in self.ops)

    @property
    def parameter_bytes(self) -> int:
        """Bytes of the trained parameters, each in the precision of its op."""
        return sum(op.parameter_bytes for op in self.ops)

    @property
    def title(self) -> str:
        """Short name for people."""
        return self.name or f"network {self.key[:8]}"

    def with_precision(self, precision: str) -> Network:
        """The network with all ops in that precision, whatever their own is."""
        return replace(self, ops=tuple(op.with_precision(precision) for op in self.ops))

    def in_precision(self, precision: str) -> Network:
        """The network with its ops in that precision, apart from those that name one of their own."""
        if precision == FP32.name:
            return self
        return replace(self, ops=tuple(op.in_precision(precision) for op in self.ops))

    def without_identities(self) -> Network:
        """The network without its identity ops, as it is exported; one of identities alone keeps its first one."""
        remaining = [index for index, op in enumerate(self.ops) if not op.is_identity]
        if len(remaining) == len(self.ops):
            return self
        if not remaining:
            return Network(self.ops[:1], self.name)
        place = {INPUT: INPUT}
        for index, op in enumerate(self.ops):
            place[index] = place[self.inputs[index][0]] if op.is_identity else remaining.index(index)
        inputs = tuple(tuple(place[taken] for taken in self.inputs[index]) for index in remaining)
        return Network(tuple(self.ops[index] for index in remaining), self.name, inputs)

    def to_json(self) -> dict[str, object]:
        """The network as a JSON document."""
        document: dict[str, object] = {"format": FORMAT, "name": self.name, "ops": [op.to_json() for op in self.ops]}
        if not self.is_chain:
            document["inputs"] = [["input" if n == INPUT else n for n in taken] for taken in self.inputs]
        return document

    @classmethod
    def from_json(cls, document: object) -> Network:
        """The network of a JSON document, checked. Raises UsageError."""
        if not isinstance(document, dict) or document.get("format") not in FORMATS:
            found = document.get("format") if isinstance(document, dict) else None
            raise UsageError(f"expected a document of format {FORMAT!r}, but found {other_format(found, FORMATS)}")
        ops, name = document.get("ops"), document.get("name", "")
        if not isinstance(ops, list) or not isinstance(name, str):
            raise UsageError("expected a list of ops and a name in a network")
        if len(ops) > MAX_OPS:
            raise UsageError(f"expected a network of at most {MAX_OPS} ops, but found {len(ops)}")
        if name:
            check_label(name, "a network's name", MAX_NAME_CHARS)
        inputs = _inputs(document["inputs"]) if "inputs" in document else ()
        return cls(tuple(Op.from_json(op) for op in ops), name, inputs)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network as JSON, atomically."""
        write_record(path, self.to_json())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Read a network from JSON. Raises BadFile."""
        with reading_json(path, "a network as JSON", MAX_BYTES) as document:
            return cls.from_json(document)


@lru_cache(maxsize=64)
def _chain(ops: int) -> Inputs:
    """The inputs of a chain of that number of ops."""
    return tuple((index - 1,) for index in range(ops))


def _inputs(document: object) -> Inputs:
    if not isinstance(document, list) or not document or not all(isinstance(taken, list) for taken in document):
        raise UsageError("expected the inputs of a network as one list for each op")
    return tuple(_op_inputs(taken) for taken in document)


def _op_inputs(taken: Sequence[object]) -> tuple[int, ...]:
    found: list[int] = []
    for source in taken:
        if source == "input":
            found.append(INPUT)
        elif isinstance(source, int) and not isinstance(source, bool) and source >= 0:
            found.append(source)
        else:
            raise UsageError(f"expected an input as the number of an op or 'input', but found {shown(source)}")
    return tuple(found)
