"""Ops and networks: records with no disk behind them, no device and no torch."""

from latkit.ops.kinds import ACTIVATIONS, FIXED_COST
from latkit.ops.network import Network
from latkit.ops.op import Attribute, Op, OpKind, Shape, Value, digest, kind_named, kinds, make_op, register_kind

__all__ = [
    "ACTIVATIONS",
    "FIXED_COST",
    "Attribute",
    "Network",
    "Op",
    "OpKind",
    "Shape",
    "Value",
    "digest",
    "kind_named",
    "kinds",
    "make_op",
    "register_kind",
]
