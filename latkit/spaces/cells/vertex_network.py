"""The network of a cell with ops on vertices, as NAS-Bench-101 builds it (`model_builder.build_module`)."""

from __future__ import annotations

from collections.abc import Iterator

from latkit.ops import Op, Shape, make_op
from latkit.spaces.cells.builder import NetworkBuilder
from latkit.spaces.cells.vertex_graph import VertexCell

OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
KERNELS = (3, 1)
"""Of the ops that are convolutions."""


def append_cell(build: NetworkBuilder, entry: int, cell: VertexCell, channels: int) -> int:
    """Append a cell with `channels` at its output; the position of its last op.

    Vertices take the sum of what comes in, cut to the channels they have; the input comes through a 1x1 convolution.
    The output joins the channels of the vertices that lead to it.
    """
    widths, last = vertex_channels(cell, channels), cell.vertices - 1
    positions = {0: entry}
    for vertex in range(1, last):
        width = widths[vertex]
        taken = [_cut(build, positions[one], width) for one in range(1, vertex) if cell.matrix[one][vertex]]
        if cell.matrix[0][vertex]:
            taken.append(_convolution(build, entry, width, 1))
        total, op = build.total(taken), cell.ops[vertex - 1]
        if op < len(KERNELS):
            positions[vertex] = _convolution(build, total, width, KERNELS[op])
        else:
            positions[vertex] = build.add("pool", total, function="max", kernel=3)
    joined = [positions[vertex] for vertex in range(1, last) if cell.matrix[vertex][last]]
    if len(joined) > 1:
        joined = [build.add("concat", *joined)]
    if cell.matrix[0][last]:
        joined.append(_convolution(build, entry, channels, 1))
    return build.total(joined)


def vertex_channels(cell: VertexCell, channels: int) -> list[int]:
    """Channels of every vertex but the input, which has 0 here (`model_builder.compute_vertex_channels`).

    Those that lead to the output share its channels, the first ones take the remainder; every other one has the maximum
    of those that it leads to.
    """
    last = cell.vertices - 1
    widths = [0] * last + [channels]
    joined = [vertex for vertex in range(1, last) if cell.matrix[vertex][last]]
    for vertex, width in zip(joined, _split(channels, len(joined)), strict=True):
        widths[vertex] = width
    for vertex in range(last - 1, 0, -1):
        if not cell.matrix[vertex][last]:
            widths[vertex] = max(widths[after] for after in range(vertex + 1, last) if cell.matrix[vertex][after])
    return widths


def cell_ops(entry: Shape, channels: int, inner: int) -> Iterator[Op]:
    """The ops of cells of up to `inner` vertices beside input and output, whose input has the shape `entry`."""
    _, *size = entry
    splits = [_split(channels, count) for count in range(1, inner + 1)]
    widths = {width for split in splits for width in split}
    for width in sorted(widths, reverse=True):
        shape = (width, *size)
        yield make_op("conv", entry, out_channels=width, kernel=1, activation="relu")
        for kernel in KERNELS:
            yield make_op("conv", shape, out_channels=width, kernel=kernel, activation="relu")
        yield make_op("pool", shape, function="max", kernel=3)
        for count in range(2, max(inner, 2) + 1):
            yield make_op("add", *[shape] * count)
        if width + 1 in widths:
            yield make_op("slice", (width + 1, *size), out_channels=width)
    for split in splits[1:]:
        yield make_op("concat", *((width, *size) for width in split))


def _split(channels: int, count: int) -> list[int]:
    """Channels shared by that number of vertices; the first ones take the remainder."""
    return [channels // count + (number < channels % count) for number in range(count)]


def _cut(build: NetworkBuilder, position: int, channels: int) -> int:
    is_wider = build.shape(position)[0] > channels
    return build.add("slice", position, out_channels=channels) if is_wider else position


def _convolution(build: NetworkBuilder, position: int, channels: int, kernel: int) -> int:
    return build.add("conv", position, out_channels=channels, kernel=kernel, activation="relu")
