"""The derived architecture as a picture: a row per stage, a block per layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

from latkit.ops import Op
from latkit.report.figures import GREY, ORANGE, PINK, RED, SKY
from latkit.report.html import Html, element, join
from latkit.report.layers import Placed, stages
from latkit.report.words import latency, percent, shape_words

KERNEL_COLOURS = {1: "#a9c7a0", 3: SKY, 5: ORANGE, 7: RED}
OTHER_KERNEL = PINK
FIXED = "#b9c1ca"
"""The colour of ops that are not mbconv."""

LABEL_WIDTH, GAP, MARGIN = 104, 16, 8
LEAST_WIDTH, WIDEST_SHARE = 50, 260
"""A block's width is the first, plus the second times its share of the network's latency."""
LEAST_HEIGHT, TALLEST = 24, 34
"""Likewise its height, by the square root of its channels."""


def draw(placed: Sequence[Placed]) -> Html:
    """The network as SVG. Width grows with a layer's share of the latency where that is known, height with channels."""
    total_s = sum(layer.seconds or 0.0 for layer in placed)
    most_channels = max(layer.op.output_shape[0] for layer in placed if len(layer.op.output_shape) == 3)
    top, width = float(MARGIN), 0.0
    rows: list[Html] = []
    for stage in stages(list(placed)):
        height = max(_height(layer.op, most_channels) for layer in stage)
        middle = top + height / 2
        row, end = _row(stage, middle, total_s, most_channels)
        rows.append(row)
        width, top = max(width, end), top + height + 30
    legend, legend_end = _legend(placed, top + 12)
    width, bottom = max(width, legend_end) + MARGIN, top + 26
    svg = element(
        "svg",
        element("title", "The derived architecture"),
        *rows,
        legend,
        class_="net",
        role="img",
        width=round(width),
        height=round(bottom),
        viewBox=f"0 0 {width:.0f} {bottom:.0f}",
    )
    return element("div", svg, class_="scroll")


def _height(op: Op, most_channels: int) -> float:
    shape = op.output_shape
    channels = shape[0] if len(shape) == 3 else 0
    return LEAST_HEIGHT + TALLEST * math.sqrt(min(1.0, channels / most_channels))


def _row(stage: Sequence[Placed], middle: float, total_s: float, most_channels: int) -> tuple[Html, float]:
    """One stage from left to right, and where it ends."""
    x = float(LABEL_WIDTH)
    blocks: list[Html] = []
    for layer in stage:
        share = (layer.seconds or 0.0) / total_s if total_s else 0.0
        width = LEAST_WIDTH + WIDEST_SHARE * share
        blocks.append(_block(layer, x, middle, width, _height(layer.op, most_channels), share))
        x += width + GAP
    end = x - GAP
    line = element("line", class_="line", x1=LABEL_WIDTH - 12, x2=f"{end:.1f}", y1=middle, y2=middle)
    label = _text(MARGIN, middle + 4, shape_words(stage[0].op.output_shape), "soft", "start")
    return join([line, label, *blocks]), end


def _block(layer: Placed, x: float, middle: float, width: float, height: float, share: float) -> Html:
    op, top = layer.op, middle - height / 2
    hint = f"{layer.layer}: {op.title}" if layer.layer else op.title
    if layer.seconds is not None and not op.vanishes:
        hint += f"; {latency(layer.seconds)}, {percent(100 * share)} of all layers"
    place = {"x": f"{x:.1f}", "y": f"{top:.1f}", "width": f"{width:.1f}", "height": f"{height:.1f}", "rx": 5}
    centre = x + width / 2
    if op.vanishes:
        paper = element("rect", fill="var(--card)", class_="skip", **place)
        return element("g", element("title", hint), paper, _text(centre, middle + 4, "skip", "soft"))
    parts = [
        element("title", hint),
        element("rect", fill=_colour(op), **place),
        _text(centre, middle + 4, _label(op), "on"),
    ]
    if layer.seconds is not None:
        parts.append(_text(centre, middle + height / 2 + 13, latency(layer.seconds), "soft"))
    return element("g", *parts)


def _label(op: Op) -> str:
    return f"e{op['expansion']}" if op.kind == "mbconv" else op.kind


def _colour(op: Op) -> str:
    return KERNEL_COLOURS.get(op.integer("kernel"), OTHER_KERNEL) if op.kind == "mbconv" else FIXED


def _text(x: float, y: float, words: str, class_: str, anchor: str = "middle") -> Html:
    return element("text", words, x=f"{x:.1f}", y=f"{y:.1f}", class_=class_, text_anchor=anchor)


def _legend(placed: Sequence[Placed], middle: float) -> tuple[Html, float]:
    """What the colours say, of those that occur, and where the legend ends."""
    kernels = sorted({layer.op.integer("kernel") for layer in placed if layer.op.kind == "mbconv"})
    entries = [(KERNEL_COLOURS.get(kernel, OTHER_KERNEL), f"kernel {kernel}") for kernel in kernels]
    if any(layer.op.kind != "mbconv" and not layer.op.vanishes for layer in placed):
        entries.append((FIXED, "other op"))
    x = float(LABEL_WIDTH)
    parts: list[Html] = []
    for colour, words in entries:
        parts.append(element("rect", x=f"{x:.1f}", y=f"{middle - 10:.1f}", width=14, height=14, rx=3, fill=colour))
        parts.append(_text(x + 20, middle + 1, words, "soft", "start"))
        x += 34 + 6.4 * len(words)
    if any(layer.op.vanishes for layer in placed):
        box = element("rect", x=x, y=middle - 10, width=14, height=14, rx=3, class_="skip", stroke=GREY)
        parts += [box, _text(x + 20, middle + 1, "skipped", "soft", "start")]
        x += 80
    parts.append(_text(x, middle + 1, "e: expansion", "soft", "start"))
    return join(parts), x + 80
