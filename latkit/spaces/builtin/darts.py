"""DARTS's space, as NAS-Bench-301 has it."""

from latkit.spaces.cells.darts_cell import DartsSpace
from latkit.spaces.registry import SpaceFactory


def darts(resolution: int = 32, stem_channels: int = 32, cells: int = 8, classes: int = 10) -> DartsSpace:
    """DARTS (Liu et al. 2019): about 10^18 pairs of a normal and a reduction cell, of four nodes with two ops each."""
    return DartsSpace("darts", resolution, stem_channels, cells, classes)


SPACE = SpaceFactory("darts", darts)
