"""The op: one operator with its concrete input shape, and the registry of op kinds."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from latkit._io import one_line
from latkit.errors import UsageError

MAX_NUMBERS = 2**29
"""Maximum elements of an op's input, output or weights, and maximum of any size: 2 GiB of elements, the limit of a
model file. Values computed from sizes within it fit 64 bits and a double."""

Shape = tuple[int, ...]
"""A tensor's shape without the batch: (channels, height, width), or (features,)."""

Value = int | float | str | bool
"""Valid types of an op's attribute."""

Default = Value | Callable[[Shape, Mapping[str, Value]], Value]
"""An attribute's default: a value, or a function of the input shape and the attributes before it."""


def digest(document: object) -> str:
    """First 32 hex digits of the SHA-256 of a JSON document in canonical form."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of an op kind: its type, its default if it has one, and its valid values."""

    type: type
    default: Default | None = None
    choices: tuple[Value, ...] = ()
    min_value: int | None = None

    def check(self, kind: str, name: str, value: object) -> Value:
        """Return the value, or raise UsageError with what was expected."""
        exact = type(value) is self.type or (self.type is float and type(value) is int)
        if not exact:
            raise UsageError(f"{kind}: expected {name} to be {self.type.__name__}, but found {_shown(value)}")
        assert isinstance(value, int | float | str | bool)
        if self.choices and value not in self.choices:
            raise UsageError(f"{kind}: expected {name} to be one of {list(self.choices)}, but found {_shown(value)}")
        if isinstance(value, int | float) and not -MAX_NUMBERS <= value <= MAX_NUMBERS:
            raise UsageError(f"{kind}: expected {name} of at most {MAX_NUMBERS}, but found {_shown(value)}")
        if self.min_value is not None and isinstance(value, int | float) and value < self.min_value:
            raise UsageError(f"{kind}: expected {name} of at least {self.min_value}, but found {value!r}")
        return value


@dataclass(frozen=True, slots=True)
class OpKind:
    """The common part of all ops of one kind: its attributes, and functions of them.

    `macs` counts one fused multiply-add as one MAC; `parameters` counts trained values (weights, biases, batch norm's
    scale and shift). A kind that `is_identity` is absent from an exported network, so its latency in a network is zero
    by construction.
    """

    name: str
    attributes: Mapping[str, Attribute]
    output_shape: Callable[[Op], Shape]
    macs: Callable[[Op], int]
    parameters: Callable[[Op], int]
    input_ranks: tuple[int, ...] = (3,)
    check: Callable[[Op], None] = field(default=lambda _: None)
    is_identity: bool = False


_KINDS: dict[str, OpKind] = {}


def register_kind(kind: OpKind) -> OpKind:
    """Register a kind by its name. A name is registered once."""
    if kind.name in _KINDS:
        raise UsageError(f"an op kind named {kind.name!r} is registered already")
    _KINDS[kind.name] = kind
    return kind


def kinds() -> Mapping[str, OpKind]:
    """The registered kinds by name."""
    return dict(_KINDS)


def get_kind(name: object) -> OpKind:
    """The kind of that name; UsageError lists the existing ones."""
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise UsageError(f"unknown op kind {_shown(name)}; known kinds: {', '.join(sorted(_KINDS))}")
    return kind


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
    def key(self) -> str:
        """Hash of the op itself; identical ops have identical keys on every machine."""
        return digest(self.to_json())

    @property
    def output_shape(self) -> Shape:
        """Shape of the output, without the batch."""
        return get_kind(self.kind).output_shape(self)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one input."""
        return get_kind(self.kind).macs(self)

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return get_kind(self.kind).parameters(self)

    @property
    def is_identity(self) -> bool:
        """Whether the op is absent from an exported network (a skip)."""
        return get_kind(self.kind).is_identity

    @property
    def title(self) -> str:
        """Short name for people, such as `mbconv k5 e6 s1 24x56x56 > 40`. Never used as a key."""
        attributes = dict(self.attributes)
        short = {"kernel": "k", "expansion": "e", "stride": "s"}
        parts = [str(attributes["function"])] if "function" in attributes else []
        parts += [f"{letter}{attributes[name]}" for name, letter in short.items() if attributes.get(name)]
        if attributes.get("groups", 1) != 1:
            parts.append(f"g{attributes['groups']}")
        output = attributes.get("out_channels", attributes.get("out_features"))
        parts += ["x".join(map(str, self.input_shape)), *([f"> {output}"] if output is not None else [])]
        return " ".join([self.kind, *parts])

    def to_json(self) -> dict[str, object]:
        """The op as a JSON document."""
        return {"kind": self.kind, "input_shape": list(self.input_shape), "attributes": dict(self.attributes)}

    @classmethod
    def from_json(cls, document: object) -> Op:
        """The op of a JSON document, checked. Raises UsageError."""
        if not isinstance(document, dict) or set(document) != {"kind", "input_shape", "attributes"}:
            raise UsageError(f"expected an op with kind, input_shape and attributes, but found {_shown(document, 200)}")
        shape, attributes = document["input_shape"], document["attributes"]
        if not isinstance(shape, list) or not isinstance(attributes, dict):
            raise UsageError(f"expected a list and a table in an op, but found {_shown(document, 200)}")
        return make_op(document["kind"], tuple(shape), **attributes)


def make_op(kind: str, input_shape: Shape, /, **attributes: object) -> Op:
    """An op of a registered kind: attributes checked, defaults filled in. Raises UsageError."""
    known = get_kind(kind)
    if len(input_shape) not in known.input_ranks or not all(type(n) is int and n > 0 for n in input_shape):
        raise UsageError(
            f"{kind}: expected an input shape of rank {' or '.join(map(str, known.input_ranks))} with positive sizes "
            f"(without the batch), but found {_shown(input_shape)}"
        )
    _check_size(kind, "input", input_shape)
    unknown = set(attributes) - set(known.attributes)
    if unknown:
        raise UsageError(f"{kind}: unknown attribute {_shown(min(unknown))}; it takes {', '.join(known.attributes)}")
    filled: dict[str, Value] = {}
    for name, attribute in known.attributes.items():
        value: object = attributes.get(name, attribute.default)
        if callable(value):
            value = value(input_shape, filled)
        if value is None:
            raise UsageError(f"{kind}: attribute {name!r} is missing")
        filled[name] = attribute.check(kind, name, value)
    op = Op(kind, tuple(input_shape), tuple(sorted(filled.items())))
    known.check(op)
    _check_size(kind, "output", op.output_shape)
    if op.parameters > MAX_NUMBERS:
        raise UsageError(f"{kind}: expected at most {MAX_NUMBERS} parameters, but found {op.parameters:.3g}")
    return op


def _check_size(kind: str, what: str, shape: Shape) -> None:
    if (size := math.prod(shape)) > MAX_NUMBERS:
        raise UsageError(f"{kind}: expected an {what} of at most {MAX_NUMBERS} numbers, but found {_shown(size)}")


def _shown(value: object, max_chars: int = 80) -> str:
    """A value of a file as errors show it."""
    try:
        return one_line(repr(value), max_chars)
    except ValueError:
        return "a number of thousands of digits"
