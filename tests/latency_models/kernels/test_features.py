import pytest

from latkit.graphs import GraphBuilder, partition_graph
from latkit.latency_models.kernels.features import kernel_specs, roofline


@pytest.mark.parametrize(
    ("groups", "short"),
    [(1, 0), (2, 0), (4, 8), (8, 12), (32, 0)],
    ids=["whole tiles", "a tile a group", "half a tile", "a quarter", "depthwise"],
)
def test_what_groups_lack_to_fill_tiles(groups: int, short: int) -> None:
    b = GraphBuilder()
    graph = b.graph([b.conv(b.input(1, 32, 8, 8), 32, 3, 1, groups)])
    (spec,) = kernel_specs(partition_graph(graph, ()))
    each = 32 // groups
    assert spec.macs == 32 * 64 * 9 * each
    assert roofline(spec)[-1] == spec.macs * short / each
