"""Curricula: how the weights of an elastic supernet are trained.

A plug-in adds one with an entry point of the group `latkit.curricula` that is a `Curriculum`.
"""

from __future__ import annotations

from latkit._registry import Registry
from latkit.search.curricula.base import Curriculum, Sample, Stage
from latkit.spaces import ChainSpace, Space

__all__ = ["CURRICULA", "DEFAULT_CURRICULUM", "Curriculum", "Sample", "Stage", "default_curriculum"]

CURRICULA: Registry[Curriculum] = Registry(
    "curriculum",
    "latkit.curricula",
    Curriculum,
    {
        "growing": "latkit.search.curricula.growing:CURRICULUM",
        "growing-sandwich": "latkit.search.curricula.growing_sandwich:CURRICULUM",
        "progressive": "latkit.search.curricula.progressive:CURRICULUM",
        "sandwich": "latkit.search.curricula.sandwich:CURRICULUM",
        "uniform": "latkit.search.curricula.uniform:CURRICULUM",
    },
)
"""The curricula by name."""

DEFAULT_CURRICULUM = "growing"
"""At equal cost on a CPU it trains the best sub-networks: docs/once-for-all.md has the figures."""


def default_curriculum(space: Space) -> str:
    """The curriculum that trains a space unless another is named: a chain has no smallest network to begin with."""
    return "uniform" if isinstance(space, ChainSpace) else DEFAULT_CURRICULUM
