"""The op: one operator with its concrete input shape; and the base of all op kinds."""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

from latkit._registry import Registry
from latkit.errors import UsageError
from latkit.ops.attribute import Attribute, Shape, Value
from latkit.ops.checks import check_input_shape, check_sizes, fill_attributes
from latkit.ops.drawing import Drawing
from latkit.ops.kinds import BUILT_IN
from latkit.ops.parts import Part, Work, size_of
from latkit.ops.precision import FP32, PRECISIONS
from latkit.ops.text import parse_op_document, title_of


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
    input_count: ClassVar[tuple[int, int]] = (1, 1)
    """Minimum and maximum number of inputs."""

    @abstractmethod
    def output_shape(self, op: Op) -> Shape:
        """Shape of the output, without the batch."""

    @abstractmethod
    def module(self, op: Op) -> Any:
        """A torch module that computes the op: one tensor of (N, *shape) for each input -> (N, *output_shape).

        torch is imported in here.
        """

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
                sum(shape[0] for shape in op.input_shapes),
                op.output_shape[0],
                kernel=1,
                stride=1,
                size_in=size_of(op.input_shape),
                size_out=size_of(op.output_shape),
            ),
        )

    def work(self, op: Op) -> Work:
        """The amounts of work that latency models use: by default those of one product or of pure memory access."""
        inputs, outputs = op.input_elements, math.prod(op.output_shape)
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
        return op.input_elements + math.prod(op.output_shape)

    def drawing(self, op: Op) -> Drawing:
        """The op's block in pictures of networks."""
        return Drawing(self.name, (self.name[:6],))

    def op_title(self, op: Op) -> str:
        """Short name of an op for people, such as `mbconv k5 e6 s1 24x56x56 > 40`. Never used as a key."""
        precision = [op.precision] if op.precision != FP32.name else []
        return " ".join([title_of(self.name, op.input_shapes, dict(op.attributes)), *precision])


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

    Two ops are equal when all fields are; `key` is a hash of exactly those.
    """

    workload_kind: ClassVar[str] = "op"
    """What it is as a workload, for counts of measurements."""

    kind: str
    input_shape: Shape
    attributes: tuple[tuple[str, Value], ...] = ()
    other_inputs: tuple[Shape, ...] = ()
    """Shapes of further inputs, of kinds that take several."""
    precision: str = FP32.name
    """Number format of weights, inputs and outputs."""

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
    def input_shapes(self) -> tuple[Shape, ...]:
        """Shapes of all inputs, without the batch."""
        return (self.input_shape, *self.other_inputs)

    @property
    def input_elements(self) -> int:
        """Elements of all inputs together."""
        return sum(map(math.prod, self.input_shapes))

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
    def ops(self) -> tuple[Op, ...]:
        """The op itself, as a network has its ops."""
        return (self,)

    @property
    def submodules(self) -> Mapping[str, Op]:
        """The op by the path of its part in its torch module, which is the whole of it."""
        return {"": self}

    def without_identities(self) -> Op:
        """The op itself, as it is exported."""
        return self

    def with_precision(self, precision: str) -> Op:
        """The op in that precision, whatever its own is."""
        return replace(self, precision=precision)

    def in_precision(self, precision: str) -> Op:
        """The op in that precision if it names none of its own, which is fp32. Raises UsageError."""
        if self.precision != FP32.name or precision == FP32.name:
            return self
        return replace(self, precision=PRECISIONS.get(precision).name)

    def bytes(self, elements: int) -> int:
        """Bytes of that number of elements of activations in the op's precision."""
        return PRECISIONS.get(self.precision).bytes(elements)

    def weight_bytes(self, weights: int) -> int:
        """Bytes of that number of weights in the op's precision."""
        return PRECISIONS.get(self.precision).weight_bytes(weights)

    @property
    def parameter_bytes(self) -> int:
        """Bytes of the trained parameters."""
        return self.weight_bytes(self.parameters)

    @property
    def activation_peak_bytes(self) -> int:
        """Maximum bytes of activations held at one time."""
        return self.bytes(self.activation_peak)

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
        """The op as a JSON document. Fields that are not the default are added to those of earlier versions."""
        document: dict[str, object] = {
            "kind": self.kind,
            "input_shape": list(self.input_shape),
            "attributes": dict(self.attributes),
        }
        if self.other_inputs:
            document["other_inputs"] = [list(shape) for shape in self.other_inputs]
        if self.precision != FP32.name:
            document["precision"] = self.precision
        return document

    @classmethod
    def from_json(cls, document: object) -> Op:
        """The op of a JSON document, checked. Raises UsageError."""
        return _checked_op(*parse_op_document(document))


def make_op(kind: str, /, *input_shapes: Shape, precision: object = FP32.name, **attributes: object) -> Op:
    """An op of a registered kind, with the shape of each input: attributes checked, defaults filled in.

    Raises UsageError.
    """
    return _checked_op(kind, input_shapes, attributes, precision)


def _checked_op(kind: str, shapes: tuple[Shape, ...], attributes: Mapping[str, object], precision: object) -> Op:
    known = KINDS.get(kind)
    minimum, maximum = known.input_count
    if not minimum <= len(shapes) <= maximum:
        expected = str(minimum) if minimum == maximum else f"{minimum} to {maximum}"
        raise UsageError(f"{kind}: expected the shapes of {expected} inputs, but found {len(shapes)}")
    for shape in shapes:
        check_input_shape(kind, shape, known.input_ranks)
    filled = fill_attributes(kind, shapes[0], known.attributes, attributes)
    op = Op(kind, tuple(shapes[0]), filled, tuple(map(tuple, shapes[1:])), PRECISIONS.get(precision).name)
    known.check(op)
    check_sizes(kind, op.output_shape, op.parameters)
    return op
