"""Ops and networks: records without disk, device or torch."""

from latkit.ops.attribute import ACTIVATIONS, Attribute, Shape, Value
from latkit.ops.connections import INPUT
from latkit.ops.drawing import Drawing
from latkit.ops.network import Network
from latkit.ops.op import KINDS, Op, OpKind, digest, get_kind, make_op, register_kind
from latkit.ops.parts import Part, Work
from latkit.ops.precision import PRECISIONS, Precision

OVERHEAD_PROBE = make_op("activation", (1, 1, 1), function="relu")
"""Equivalent to an empty network: its cost is the runtime's fixed cost of any run."""

__all__ = [
    "ACTIVATIONS",
    "INPUT",
    "KINDS",
    "OVERHEAD_PROBE",
    "PRECISIONS",
    "Attribute",
    "Drawing",
    "Network",
    "Op",
    "OpKind",
    "Part",
    "Precision",
    "Shape",
    "Value",
    "Work",
    "digest",
    "get_kind",
    "make_op",
    "register_kind",
]
