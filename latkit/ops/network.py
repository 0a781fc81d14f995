"""The network: ops in order, as a record that is saved and loaded as JSON."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field

from latkit._io import check_label, load_json, one_line, reading, write_text
from latkit.errors import UsageError
from latkit.ops.attribute import Shape
from latkit.ops.op import Op, digest

FORMAT = "latkit-network-1"
MAX_OPS = 10_000
MAX_NAME_CHARS = 200
"""More than the maximum of a space's name: its networks are named after it."""
MAX_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Network:
    """Ops in order, each taking the output of the one before it. The name is for people and not part of the key."""

    ops: tuple[Op, ...]
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not self.ops:
            raise UsageError("a network needs at least one op")
        for before, after in zip(self.ops, self.ops[1:], strict=False):
            if before.output_shape != after.input_shape:
                raise UsageError(
                    f"{before.title} gives {before.output_shape}, but {after.title} expects {after.input_shape}"
                )

    @property
    def key(self) -> str:
        """Hash of the ops in order."""
        return digest([op.to_json() for op in self.ops])

    @property
    def input_shape(self) -> Shape:
        """Shape of the input, without the batch."""
        return self.ops[0].input_shape

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
    def title(self) -> str:
        """Short name for people."""
        return self.name or f"network {self.key[:8]}"

    def to_json(self) -> dict[str, object]:
        """The network as a JSON document."""
        return {"format": FORMAT, "name": self.name, "ops": [op.to_json() for op in self.ops]}

    @classmethod
    def from_json(cls, document: object) -> Network:
        """The network of a JSON document, checked. Raises UsageError."""
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            found = document.get("format") if isinstance(document, dict) else type(document).__name__
            raise UsageError(f"expected a document of format {FORMAT!r}, but found {one_line(repr(found), 80)}")
        ops, name = document.get("ops"), document.get("name", "")
        if not isinstance(ops, list) or not isinstance(name, str):
            raise UsageError("expected a list of ops and a name in a network")
        if len(ops) > MAX_OPS:
            raise UsageError(f"expected a network of at most {MAX_OPS} ops, but found {len(ops)}")
        if name:
            check_label(name, "a network's name", MAX_NAME_CHARS)
        return cls(tuple(Op.from_json(op) for op in ops), name)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network as JSON, atomically."""
        write_text(path, json.dumps(self.to_json(), indent=1) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Read a network from JSON. Raises BadFile."""
        expected = "a network as JSON"
        document = load_json(path, expected, MAX_BYTES)
        with reading(path, expected):
            return cls.from_json(document)
