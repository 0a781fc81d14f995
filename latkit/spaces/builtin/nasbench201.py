"""NAS-Bench-201's space."""

from latkit.spaces.cells.edge_cell import EdgeCellSpace
from latkit.spaces.registry import SpaceFactory


def nasbench201(resolution: int = 32, stem_channels: int = 16, cells: int = 5, classes: int = 10) -> EdgeCellSpace:
    """NAS-Bench-201 (Dong & Yang 2020): 15,625 cells of six edges with five ops, in three stages of five cells."""
    return EdgeCellSpace("nasbench201", resolution, stem_channels, cells, classes)


SPACE = SpaceFactory("nasbench201", nasbench201)
