"""Specialized networks side by side, layer under layer, as the paper draws them (Cai et al. 2019, section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.report.formatting import latency, shape_text, share
from latkit.report.html import Html, element, join, paragraph
from latkit.report.sections.layers import Placed, layers
from latkit.report.sections.search_facts import SearchFacts

LABEL, WIDTH, GAP, ROW, TOP = 200, 42, 4, 74, 34
"""Pixels: of the names at the left, of a block, between blocks, from one network to the next, of the head."""

LOWEST, PER_UNIT = 20, 4
"""Pixels of a block's height: the minimum, and per unit that its kind adds, such as of expansion."""


def side_by_side(searches: Sequence[SearchFacts]) -> Html:
    """The derived networks of searches of one space, one row each; nothing if fewer than two share a space."""
    spaces: dict[str, list[SearchFacts]] = {}
    for known in searches:
        if known.space is not None and known.result is not None and known.network is not None:
            spaces.setdefault(known.recipe.space_key, []).append(known)
    parts = [_drawing(group) for group in spaces.values() if len(group) > 1]
    if not parts:
        return join([])
    content = (
        "Layer under layer: color tells the kernel, height the expansion; a dashed box is a layer that was skipped."
    )
    return join([paragraph(content), *parts])


def _drawing(group: Sequence[SearchFacts]) -> Html:
    rows = [layers(known) for known in group]
    width = LABEL + len(rows[0]) * (WIDTH + GAP)
    height = TOP + ROW * len(rows)
    svg = element(
        "svg",
        element("title", "The derived networks side by side"),
        _head(rows[0]),
        *(
            _row(known, row, TOP + ROW * (number + 0.5))
            for number, (known, row) in enumerate(zip(group, rows, strict=True))
        ),
        class_="net beside",
        role="img",
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
    )
    return element("div", svg, class_="scroll")


def _head(row: Sequence[Placed]) -> Html:
    """The output shape of layers, where it changes."""
    content = []
    for number, layer in enumerate(row):
        if number == 0 or layer.op.output_shape != row[number - 1].op.output_shape:
            content.append(_text(_x(number), 20, shape_text(layer.op.output_shape), "soft", "start"))
    return join(content[: max(len(content) - 2, 1)])  # the head's vectors have no room


def _row(known: SearchFacts, row: Sequence[Placed], middle: float) -> Html:
    line = element("line", class_="line", x1=LABEL - 8, x2=_x(len(row)) - GAP, y1=middle, y2=middle)
    assert known.result is not None
    figures = f"{latency(known.result.predicted_latency_s)}, {share(known.result.accuracy)}"
    names = [
        _text(10, middle - 3, _shortened(known.name), "", "start"),
        _text(10, middle + 13, figures, "soft", "start"),
    ]
    return join([line, *names, *(_block(layer, _x(number), middle) for number, layer in enumerate(row))])


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


def _x(number: int) -> int:
    return LABEL + number * (WIDTH + GAP)


def _shortened(name: str) -> str:
    return name if len(name) <= 26 else f"{name[:12]}…{name[-13:]}"


def _text(x: float, y: float, content: str, class_: str, anchor: str = "middle") -> Html:
    return element("text", content, x=f"{x:.1f}", y=f"{y:.1f}", class_=class_, text_anchor=anchor)
