"""Curricula: how the weights of an elastic supernet are trained.

A plug-in adds one with an entry point of the group `latkit.curricula` that is a `Curriculum`.
"""

from __future__ import annotations

from latkit._registry import Registry
from latkit.search.curricula.base import Curriculum, Sample, Stage
from latkit.spaces import Space

__all__ = [
    "CURRICULA",
    "DEFAULT_CURRICULUM",
    "LONG_CURRICULUM",
    "Curriculum",
    "Sample",
    "Stage",
    "default_curriculum",
]

CURRICULA: Registry[Curriculum] = Registry(
    "curriculum",
    "latkit.curricula",
    Curriculum,
    {
        "growing": "latkit.search.curricula.growing:CURRICULUM",
        "growing-mixed": "latkit.search.curricula.growing_mixed:CURRICULUM",
        "growing-sandwich": "latkit.search.curricula.growing_sandwich:CURRICULUM",
        "progressive": "latkit.search.curricula.progressive:CURRICULUM",
        "sandwich": "latkit.search.curricula.sandwich:CURRICULUM",
        "uniform": "latkit.search.curricula.uniform:CURRICULUM",
    },
)
"""The curricula by name."""

DEFAULT_CURRICULUM = "growing"
"""The default of a brief training: at equal cost on a CPU it trains the best sub-networks."""

LONG_CURRICULUM = "growing-mixed"
"""The default of a long training. For as many epochs, at 4 times the cost, `growing-sandwich` is better;
docs/evidence/once-for-all.md has the figures of both."""

LONG_EPOCHS = 50
"""A training of at least this many epochs is a long one."""


def default_curriculum(space: Space, epochs: int) -> str:
    """The curriculum that trains a space unless another is named: a chain has no smallest network to begin with."""
    if not space.is_nested:
        return "uniform"
    return LONG_CURRICULUM if epochs >= LONG_EPOCHS else DEFAULT_CURRICULUM
