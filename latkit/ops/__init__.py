"""Ops and networks: records without disk, device or torch."""

from latkit.ops.kinds import ACTIVATIONS, OVERHEAD_PROBE
from latkit.ops.network import Network
from latkit.ops.op import Attribute, Op, OpKind, Shape, Value, digest, get_kind, kinds, make_op, register_kind

__all__ = [
    "ACTIVATIONS",
    "OVERHEAD_PROBE",
    "Attribute",
    "Network",
    "Op",
    "OpKind",
    "Shape",
    "Value",
    "digest",
    "get_kind",
    "kinds",
    "make_op",
    "register_kind",
]
