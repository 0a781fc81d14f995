"""The unit: nodes that form one logical operator."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """Nodes that form one logical operator, whatever the exporter."""

    kind: str
    members: tuple[int, ...]
    """Positions of the nodes in the graph."""
    light: bool
    """Whether a runtime may fuse it with a neighbor: elementwise work, padding or data movement."""
