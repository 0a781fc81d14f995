"""The op: one operator with its concrete input shape; and the base of all op kinds."""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from latkit._registry import Registry
from latkit.errors import UsageError
from latkit.ops.attribute import MAX_NUMBERS, Attribute, Shape, Value, shown
from latkit.ops.drawing import Drawing
from latkit.ops.parts import Part, Work, size_of

TITLE_LETTERS = {"kernel": "k", "expansion": "e", "stride": "s"}


def digest(document: object) -> str:
    """First 32 hex digits of the SHA-256 of a JSON document in canonical form."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class OpKind(ABC):
    """All that is known about the ops of one kind. One object per kind; nothing else asks for a kind's name.

    A subclass gives at least a name, a title, its attributes, an output shape and a module. Everything else has a
    default that suits an op without weights.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """The kind's name in reports."""
    attributes: ClassVar[Mapping[str, Attribute]] = MappingProxyType({})
    input_ranks: ClassVar[tuple[int, ...]] = (3,)
    is_identity: ClassVar[bool] = False
    """Whether its ops are absent from an exported network: their latency in a network is zero by construction."""
    map_axes: ClassVar[tuple[str, str] | None] = None
    """Two attributes, over which the report draws heat maps of measured ops: across and up."""

    @abstractmethod
    def output_shape(self, op: Op) -> Shape:
        """Shape of the output, without the batch."""

    @abstractmethod
    def module(self, op: Op) -> Any:
        """A torch module that computes the op: (N, *input_shape) -> (N, *output_shape). torch is imported in here."""

    def check(self, op: Op) -> None:
        """Raise UsageError where the attributes do not fit together."""

    def macs(self, op: Op) -> int:
        """Multiply-accumulates for one input; one fused multiply-add is one MAC."""
        return 0

    def parameters(self, op: Op) -> int:
        """Number of trained values: weights, biases, batch norm's scale and shift."""
        return 0

    def is_residual(self, op: Op) -> bool:
        """Whether the op adds its input to the output of a last batch norm, so that it can begin as the identity."""
        return False

    def parts(self, op: Op) -> tuple[Part, ...]:
        """The parts that a runtime computes one after the other: by default one that only moves elements."""
        return (
            Part(
                "other",
                op.input_shape[0],
                op.output_shape[0],
                kernel=1,
                stride=1,
                size_in=size_of(op.input_shape),
                size_out=size_of(op.output_shape),
            ),
        )

    def work(self, op: Op) -> Work:
        """The amounts of work that latency models use: by default those of one product or of pure memory access."""
        inputs, outputs = math.prod(op.input_shape), math.prod(op.output_shape)
        return Work(
            dense_macs=op.macs,
            depthwise_macs=0,
            elements=inputs + outputs,
            weights=op.parameters,
            expand_macs=0,
            widened=inputs,
            reduced=outputs,
            hidden=op.input_shape[0],
        )

    def activation_peak(self, op: Op) -> int:
        """Maximum number of activation elements held at one time, input and output included, when parts run one by
        one."""
        return math.prod(op.input_shape) + math.prod(op.output_shape)

    def drawing(self, op: Op) -> Drawing:
        """The op's block in pictures of networks."""
        return Drawing(self.name, (self.name[:6],))

    def op_title(self, op: Op) -> str:
        """Short name of an op for people, such as `mbconv k5 e6 s1 24x56x56 > 40`. Never used as a key."""
        attributes = dict(op.attributes)
        parts = [str(attributes["function"])] if "function" in attributes else []
        parts += [f"{letter}{attributes[name]}" for name, letter in TITLE_LETTERS.items() if attributes.get(name)]
        if attributes.get("groups", 1) != 1:
            parts.append(f"g{attributes['groups']}")
        output = attributes.get("out_channels", attributes.get("out_features"))
        parts += ["x".join(map(str, op.input_shape)), *([f"> {output}"] if output is not None else [])]
        return " ".join([self.name, *parts])


BUILT_IN = {
    "activation": "latkit.ops.kinds.activation:ACTIVATION",
    "conv": "latkit.ops.kinds.conv:CONV",
    "flatten": "latkit.ops.kinds.flatten:FLATTEN",
    "linear": "latkit.ops.kinds.linear:LINEAR",
    "mbconv": "latkit.ops.kinds.mbconv:MBCONV",
    "pool": "latkit.ops.kinds.pool:POOL",
    "skip": "latkit.ops.kinds.skip:SKIP",
}

KINDS: Registry[OpKind] = Registry("op kind", "latkit.op_kinds", OpKind, BUILT_IN)
"""The op kinds by name: latkit's own, and those of plug-ins."""


def get_kind(name: object) -> OpKind:
    """The kind of that name. Raises UsageError, which lists the known ones."""
    return KINDS.get(name)


def register_kind(kind: OpKind) -> OpKind:
    """Add a kind for this process; a plug-in adds one with an entry point. Raises UsageError if the name is taken."""
    return KINDS.register(kind.name, kind)


@dataclass(frozen=True, slots=True)
class Op:
    """One operator with its concrete input shape (without the batch). Built by `make_op`, which checks it.

    Two ops are equal when kind, input shape and attributes are; `key` is a hash of exactly those.
    """

    kind: str
    input_shape: Shape
    attributes: tuple[tuple[str, Value], ...] = ()

    def __getitem__(self, name: str) -> Value:
        for known, value in self.attributes:
            if known == name:
                return value
        raise KeyError(f"a {self.kind} op has no attribute {name!r}")

    def integer(self, name: str) -> int:
        """The attribute of that name as an int."""
        return int(self[name])

    @property
    def definition(self) -> OpKind:
        """The object of its kind."""
        return KINDS.get(self.kind)

    @property
    def key(self) -> str:
        """Hash of the op itself; identical ops have identical keys on every machine."""
        return digest(self.to_json())

    @property
    def output_shape(self) -> Shape:
        """Shape of the output, without the batch."""
        return self.definition.output_shape(self)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one input."""
        return self.definition.macs(self)

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return self.definition.parameters(self)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts that a runtime computes one after the other."""
        return self.definition.parts(self)

    @property
    def work(self) -> Work:
        """The amounts of work that latency models use."""
        return self.definition.work(self)

    @property
    def activation_peak(self) -> int:
        """Maximum number of activation elements held at one time."""
        return self.definition.activation_peak(self)

    @property
    def is_identity(self) -> bool:
        """Whether the op is absent from an exported network (a skip)."""
        return self.definition.is_identity

    @property
    def title(self) -> str:
        """Short name for people, such as `mbconv k5 e6 s1 24x56x56 > 40`. Never used as a key."""
        return self.definition.op_title(self)

    def to_json(self) -> dict[str, object]:
        """The op as a JSON document."""
        return {"kind": self.kind, "input_shape": list(self.input_shape), "attributes": dict(self.attributes)}

    @classmethod
    def from_json(cls, document: object) -> Op:
        """The op of a JSON document, checked. Raises UsageError."""
        if not isinstance(document, dict) or set(document) != {"kind", "input_shape", "attributes"}:
            raise UsageError(f"expected an op with kind, input_shape and attributes, but found {shown(document, 200)}")
        shape, attributes = document["input_shape"], document["attributes"]
        if not isinstance(shape, list) or not isinstance(attributes, dict):
            raise UsageError(f"expected a list and a table in an op, but found {shown(document, 200)}")
        return make_op(document["kind"], tuple(shape), **attributes)


def make_op(kind: str, input_shape: Shape, /, **attributes: object) -> Op:
    """An op of a registered kind: attributes checked, defaults filled in. Raises UsageError."""
    known = KINDS.get(kind)
    if len(input_shape) not in known.input_ranks or not all(type(n) is int and n > 0 for n in input_shape):
        raise UsageError(
            f"{kind}: expected an input shape of rank {' or '.join(map(str, known.input_ranks))} with positive sizes "
            f"(without the batch), but found {shown(input_shape)}"
        )
    _check_size(kind, "input", input_shape)
    op = Op(kind, tuple(input_shape), _filled(known, input_shape, attributes))
    known.check(op)
    _check_size(kind, "output", op.output_shape)
    if op.parameters > MAX_NUMBERS:
        raise UsageError(f"{kind}: expected at most {MAX_NUMBERS} parameters, but found {op.parameters:.3g}")
    return op


def _filled(kind: OpKind, input_shape: Shape, attributes: Mapping[str, object]) -> tuple[tuple[str, Value], ...]:
    """The attributes, checked, with the defaults of those that are not given; by name."""
    unknown = set(attributes) - set(kind.attributes)
    if unknown:
        takes = ", ".join(kind.attributes)
        raise UsageError(f"{kind.name}: unknown attribute {shown(min(unknown))}; it takes {takes}")
    filled: dict[str, Value] = {}
    for name, attribute in kind.attributes.items():
        value: object = attributes.get(name, attribute.default)
        if callable(value):
            value = value(input_shape, filled)
        if value is None:
            raise UsageError(f"{kind.name}: attribute {name!r} is missing")
        filled[name] = attribute.check(kind.name, name, value)
    return tuple(sorted(filled.items()))


def _check_size(kind: str, what: str, shape: Shape) -> None:
    if (size := math.prod(shape)) > MAX_NUMBERS:
        raise UsageError(f"{kind}: expected an {what} of at most {MAX_NUMBERS} numbers, but found {shown(size)}")
