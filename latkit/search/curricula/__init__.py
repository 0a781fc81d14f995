"""Curricula: how the weights of an elastic supernet are trained.

A plug-in adds one with an entry point of the group `latkit.curricula` that is a `Curriculum`.
"""

from __future__ import annotations

from latkit._registry import Registry
from latkit.search.curricula.base import Curriculum, Sample, Stage

__all__ = ["CURRICULA", "DEFAULT_CURRICULUM", "Curriculum", "Sample", "Stage"]

CURRICULA: Registry[Curriculum] = Registry(
    "curriculum",
    "latkit.curricula",
    Curriculum,
    {
        "growing": "latkit.search.curricula.growing:CURRICULUM",
        "progressive": "latkit.search.curricula.progressive:CURRICULUM",
        "sandwich": "latkit.search.curricula.sandwich:CURRICULUM",
        "uniform": "latkit.search.curricula.uniform:CURRICULUM",
    },
)
"""The curricula by name."""

DEFAULT_CURRICULUM = "uniform"
"""At equal cost on a CPU it trains the best sub-networks: docs/once-for-all.md has the figures."""
