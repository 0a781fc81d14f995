"""A network with branches as a picture: a block per op, and a line for each of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from latkit.report.figures.blocks import GAP, MARGIN, MIN_HEIGHT, TALLEST, Scale, block, legend, text
from latkit.report.figures.graph_layout import Edge, GraphLayout, lay_out
from latkit.report.formatting import shape_text
from latkit.report.html import Html, element, join, notice
from latkit.report.sections.searches.layers import Placed

Point = tuple[float, float]
"""Pixels from the left and from the top."""

MAX_OPS = 1000
"""Larger networks are listed only."""

INPUT_WIDTH, LANE, CURVE = 44, MIN_HEIGHT + TALLEST + 34, 26
"""Pixels: of the word `input`, from one lane to the next, and between two levels."""


def draw_graph(placed: Sequence[Placed]) -> Html:
    """The network as SVG, its input on the left. Width grows with latency if that is known, height with channels."""
    if len(placed) > MAX_OPS:
        return notice(f"A picture shows up to {MAX_OPS} ops; this network has {len(placed)}.")
    picture = _Picture.of(placed)
    bottom = MARGIN + LANE * picture.layout.lanes
    key, key_end = legend(placed, bottom + 12)
    width = max(picture.width, key_end) + MARGIN
    svg = element(
        "svg",
        element("title", "The derived architecture"),
        text(MARGIN, picture.middle(0) + 4, "input", "soft", "start"),
        *(picture.edge(edge) for edge in picture.layout.edges),
        *(picture.op(index) for index in range(len(placed))),
        key,
        class_="net",
        role="img",
        width=round(width),
        height=bottom + 26,
        viewBox=f"0 0 {width:.0f} {bottom + 26}",
    )
    return element("div", svg, class_="scroll")


@dataclass(frozen=True, slots=True)
class _Picture:
    """Converts places to pixels."""

    placed: Sequence[Placed]
    layout: GraphLayout
    scale: Scale
    left: Sequence[float]
    """Of every level, and where the last one ends."""

    @classmethod
    def of(cls, placed: Sequence[Placed]) -> _Picture:
        layout = lay_out([layer.inputs for layer in placed])
        levels: list[list[Placed]] = [[] for _ in range(layout.levels)]
        for layer, (level, _) in zip(placed, layout.places, strict=True):
            levels[level].append(layer)
        slowest = [max(one, key=lambda layer: layer.seconds or 0.0) for one in levels]
        scale = Scale.of([slowest], placed)
        widths = [scale.width(layer) + GAP + CURVE for layer in slowest]
        return cls(placed, layout, scale, list(accumulate(widths, initial=float(MARGIN + INPUT_WIDTH + CURVE))))

    @property
    def width(self) -> float:
        """Where the last block ends."""
        return self.left[-1]

    def middle(self, lane: int) -> float:
        """The middle of a lane."""
        return MARGIN + LANE * (lane + 0.5)

    def op(self, index: int) -> Html:
        """The block of an op, and the shape of its output."""
        layer, (level, lane) = self.placed[index], self.layout.places[index]
        shape = text(
            self.left[level] + self.scale.width(layer) / 2,
            self.middle(lane) - self.scale.height(layer.op) / 2 - 4,
            shape_text(layer.op.output_shape),
            "soft",
        )
        return join([block(layer, self.left[level], self.middle(lane), self.scale), shape])

    def edge(self, edge: Edge) -> Html:
        """A line from the right of one block to the left of another, flat where it passes beside blocks."""
        start = float(MARGIN + INPUT_WIDTH - 8), self.middle(0)
        if edge.source >= 0:
            level, lane = self.layout.places[edge.source]
            start = self.left[level] + self.scale.width(self.placed[edge.source]), self.middle(lane)
        entered = (*edge.through, self.layout.places[edge.target])
        return line(start, [(self.left[level], self.middle(lane)) for level, lane in entered], CURVE)


def line(start: Point, entries: Sequence[Point], curve: float) -> Html:
    """A line from a point through others to the last of them: flat, and bent in the `curve` pixels before each."""
    y, path = start[1], [f"M{start[0]:.1f} {start[1]:.1f}"]
    for x, height in entries:
        path.append(
            f"H{x - curve:.1f} C{x - curve / 2:.1f} {y:.1f} {x - curve / 2:.1f} {height:.1f} {x:.1f} {height:.1f}"
        )
        y = height
    return element("path", class_="line", d=" ".join(path))
