import pytest

from latkit.graphs import GraphBuilder, cut
from latkit.models.kernels.features import pieces_of, roofline


@pytest.mark.parametrize(
    ("groups", "short"),
    [(1, 0), (2, 0), (4, 8), (8, 12), (32, 0)],
    ids=["whole tiles", "a tile a group", "half a tile", "a quarter", "depthwise"],
)
def test_what_groups_lack_to_fill_tiles(groups: int, short: int) -> None:
    b = GraphBuilder()
    graph = b.graph([b.conv(b.input(1, 32, 8, 8), 32, 3, 1, groups)])
    (piece,) = pieces_of(cut(graph, ()))
    each = 32 // groups
    assert piece.macs == 32 * 64 * 9 * each
    assert roofline(piece)[-1] == piece.macs * short / each
