"""Specialized networks side by side, layer under layer, as the paper draws them (Cai et al. 2019, section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from latkit.report.figures.branches import line
from latkit.report.figures.graph_layout import GraphLayout, lay_out
from latkit.report.formatting import latency, shape_text
from latkit.report.html import Html, element, join, paragraph
from latkit.report.scores import score
from latkit.report.sections.searches.layers import Placed, layers
from latkit.report.sections.searches.search_facts import SearchFacts

LABEL, WIDTH, GAP, ROW, TOP = 200, 42, 4, 74, 34
"""Pixels: of the names at the left, of a block, between blocks, from one lane or network to the next, of the head."""
BRANCH_GAP = 22
"""Pixels between blocks of networks with branches."""

LOWEST, PER_UNIT = 20, 4
"""Pixels of a block's height: the minimum, and per unit that its kind adds, such as of expansion."""


def side_by_side(searches: Sequence[SearchFacts]) -> Html:
    """The derived networks of searches of one space, one row each; nothing if fewer than two share a space."""
    spaces: dict[str, list[Compared]] = {}
    for known in searches:
        if known.space is not None and known.result is not None and known.network is not None:
            figures = f"{latency(known.result.predicted_latency_s)}, {score(known.result)}"
            spaces.setdefault(known.recipe.space_key, []).append(Compared(known.name, figures, layers(known)))
    parts = [compared_networks(group) for group in spaces.values() if len(group) > 1]
    if not parts:
        return join([])
    content = (
        "Layer under layer: color tells the kernel, height the expansion; a dashed box is a layer that was skipped."
    )
    return join([paragraph(content), *parts])


@dataclass(frozen=True, slots=True)
class Compared:
    """A network, and what is written beside it."""

    name: str
    figures: str
    placed: Sequence[Placed]


@dataclass(frozen=True, slots=True)
class _Row:
    """One network, and where its blocks stand."""

    known: Compared
    layout: GraphLayout
    top: int
    gap: int
    """Between blocks."""

    @property
    def bottom(self) -> int:
        return self.top + ROW * self.layout.lanes

    def x(self, level: int) -> int:
        """Left edge of the blocks of a level."""
        return LABEL + level * (WIDTH + self.gap)

    def middle(self, lane: int) -> float:
        """Middle of the blocks of a lane."""
        return self.top + ROW * (lane + 0.5)


def _rows(group: Sequence[Compared]) -> list[_Row]:
    """The networks from top to bottom, level under level; wide gaps have room for the lines of branches."""
    layouts = [lay_out([layer.inputs or (place - 1,) for place, layer in enumerate(one.placed)]) for one in group]
    gap = GAP if all(layout.lanes == 1 for layout in layouts) else BRANCH_GAP
    rows: list[_Row] = []
    for known, layout in zip(group, layouts, strict=True):
        rows.append(_Row(known, layout, rows[-1].bottom if rows else TOP, gap))
    return rows


def compared_networks(group: Sequence[Compared]) -> Html:
    """Networks of one space, one row each."""
    rows = _rows(group)
    width = max(row.x(row.layout.levels) for row in rows)
    height = rows[-1].bottom
    svg = element(
        "svg",
        element("title", "The derived networks side by side"),
        _head(rows[0]),
        *map(_network, rows),
        class_="net beside",
        role="img",
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
    )
    return element("div", svg, class_="scroll")


def _head(row: _Row) -> Html:
    """The output shape of layers, where it changes along the first lane."""
    content, before = [], None
    for layer, (level, lane) in zip(row.known.placed, row.layout.places, strict=True):
        if lane == 0 and layer.op.output_shape != before:
            before = layer.op.output_shape
            content.append(_text(row.x(level), 20, shape_text(before), "soft", "start"))
    return join(content[: max(len(content) - 2, 1)])  # the head's vectors have no room


def _network(row: _Row) -> Html:
    names = [
        _text(10, row.middle(0) - 3, _shortened(row.known.name), "", "start"),
        _text(10, row.middle(0) + 13, row.known.figures, "soft", "start"),
    ]
    places = zip(row.known.placed, row.layout.places, strict=True)
    blocks = [_block(layer, row.x(level), row.middle(lane)) for layer, (level, lane) in places]
    return join([_lines(row), *names, *blocks])


def _lines(row: _Row) -> Html:
    """The connections: a single line behind the blocks of a chain."""
    if row.layout.lanes == 1:
        ends = {"x1": LABEL - 8, "x2": row.x(row.layout.levels) - row.gap}
        return element("line", class_="line", **ends, y1=row.middle(0), y2=row.middle(0))
    found = []
    for edge in row.layout.edges:
        level, lane = row.layout.places[edge.source] if edge.source >= 0 else (-1, 0)
        start = (row.x(level) + WIDTH if level >= 0 else LABEL - row.gap, row.middle(lane))
        entered = [(row.x(at), row.middle(of)) for at, of in (*edge.through, row.layout.places[edge.target])]
        found.append(line(start, entered, row.gap))
    return join(found)


def _block(layer: Placed, x: float, middle: float) -> Html:
    op = layer.op
    drawing = op.definition.drawing(op)
    tall = LOWEST + PER_UNIT * drawing.units
    place = {"x": x, "y": middle - tall / 2, "width": WIDTH, "height": tall, "rx": 5}
    hint = element("title", f"{layer.layer}: {op.title}")
    center = x + WIDTH / 2
    if op.is_identity:
        return element("g", hint, element("rect", class_="skip", **place), _text(center, middle + 4, "skip", "soft"))
    heights = (middle + 4,) if len(drawing.lines) == 1 else (middle - 2, middle + 11)
    content = [_text(center, height, line, "on") for line, height in zip(drawing.lines, heights, strict=True)]
    return element("g", hint, element("rect", fill=drawing.color, **place), *content)


def _shortened(name: str) -> str:
    return name if len(name) <= 26 else f"{name[:12]}…{name[-13:]}"


def _text(x: float, y: float, content: str, class_: str, anchor: str = "middle") -> Html:
    return element("text", content, x=f"{x:.1f}", y=f"{y:.1f}", class_=class_, text_anchor=anchor)
