"""NAS-Bench-101's space, and its part of up to five vertices."""

from latkit.spaces.cells.vertex_cell import VertexCellSpace
from latkit.spaces.registry import SpaceFactory


def nasbench101(
    vertices: int = 7, resolution: int = 32, stem_channels: int = 128, cells: int = 3, classes: int = 10
) -> VertexCellSpace:
    """NAS-Bench-101 (Ying et al. 2019): cells of seven vertices and nine edges at most, in three stacks of three."""
    return VertexCellSpace("nasbench101", vertices, resolution, stem_channels, cells, classes)


SPACE = SpaceFactory("nasbench101", nasbench101)
