import pytest

from latkit.graphs import GraphBuilder, partition_graph
from latkit.graphs.tflite.builder import TFLiteBuilder
from latkit.latency_models.kernels.features import kernel_specs, roofline
from latkit.latency_models.kernels.shapes import unfolded


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
    assert roofline(spec)[6] == spec.macs * short / each


@pytest.mark.parametrize("builder", [GraphBuilder, TFLiteBuilder])
@pytest.mark.parametrize(
    ("channels", "groups", "rows"),
    [(32, 1, 0), (3, 1, 64), (32, 4, 4 * 64), (32, 32, 0)],
    ids=["directly", "colors", "groups", "depthwise"],
)
def test_convolutions_that_unfold_their_image(
    builder: type[GraphBuilder], channels: int, groups: int, rows: int
) -> None:
    b = builder()
    out = 96 if channels == 3 else 32
    graph = b.graph([b.conv(b.input(1, channels, 8, 8), out, 3, 1, groups)])
    (spec,) = kernel_specs(partition_graph(graph, ()))
    assert unfolded(spec.graph) == (rows, rows * 9 * channels // groups)
    assert roofline(spec)[7:].tolist() == [rows, rows * 9 * channels // groups]
