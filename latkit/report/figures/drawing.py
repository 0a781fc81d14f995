"""The derived architecture as a picture: a row per stage and a block per layer, or a graph if it has branches."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.report.figures.blocks import GAP, LABEL_WIDTH, MARGIN, Scale, block, legend, text
from latkit.report.figures.branches import draw_graph
from latkit.report.formatting import shape_text
from latkit.report.html import Html, element, join
from latkit.report.sections.searches.layers import Placed, stages


def draw(placed: Sequence[Placed]) -> Html:
    """The network as SVG. Width grows with a layer's share of the latency if that is known, height with channels."""
    if any(layer.inputs for layer in placed):
        return draw_graph(placed)
    rows_of_layers = stages(list(placed))
    scale = Scale.of(rows_of_layers, placed)
    top, width = float(MARGIN), 0.0
    rows: list[Html] = []
    for stage in rows_of_layers:
        height = max(scale.height(layer.op) for layer in stage)
        middle = top + height / 2
        row, end = _row(stage, middle, scale)
        rows.append(row)
        width, top = max(width, end), top + height + 30
    key, key_end = legend(placed, top + 12)
    width, bottom = max(width, key_end) + MARGIN, top + 26
    svg = element(
        "svg",
        element("title", "The derived architecture"),
        *rows,
        key,
        class_="net",
        role="img",
        width=round(width),
        height=round(bottom),
        viewBox=f"0 0 {width:.0f} {bottom:.0f}",
    )
    return element("div", svg, class_="scroll")


def _row(stage: Sequence[Placed], middle: float, scale: Scale) -> tuple[Html, float]:
    """Draw one stage from left to right; returns where it ends."""
    x = float(LABEL_WIDTH)
    blocks: list[Html] = []
    for layer in stage:
        blocks.append(block(layer, x, middle, scale))
        x += scale.width(layer) + GAP
    end = x - GAP
    line = element("line", class_="line", x1=LABEL_WIDTH - 12, x2=f"{end:.1f}", y1=middle, y2=middle)
    label = text(MARGIN, middle + 4, shape_text(stage[0].op.output_shape), "soft", "start")
    return join([line, label, *blocks]), end
