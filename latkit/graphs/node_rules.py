"""The rules of a dialect's nodes: what is valid, the normal form, and how often a node multiplies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from latkit.graphs.node import Node, Tensor


@dataclass(frozen=True, slots=True)
class NodeRules:
    """Of a set of operators. Each function takes a node and the tensors of the values before it."""

    normalize: Callable[[Node, Sequence[Tensor], int], Node]
    """The node in normal form, given the release of the operators too."""
    check: Callable[[Node, Sequence[Tensor]], None]
    """Raises UsageError unless the node is valid for its operator."""
    macs: Callable[[Node, Sequence[Tensor]], int]
