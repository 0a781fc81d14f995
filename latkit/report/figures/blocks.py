"""The block of a layer in a picture of a network, and the legend of the colors."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from latkit.ops import Op
from latkit.ops.drawing import PLAIN_COLOR
from latkit.report.figures.figures import GRAY
from latkit.report.formatting import latency, percent
from latkit.report.html import Html, element, join
from latkit.report.sections.searches.layers import Placed

LABEL_WIDTH, GAP, MARGIN = 104, 14, 14
MIN_WIDTH, MAX_WIDTH = 50, 860
"""Minimum width of a block, and width of the longest row where latencies are known."""
MIN_HEIGHT, TALLEST = 24, 34
"""The same for its height, by the square root of its channels."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Converts seconds and channels to pixels."""

    total_s: float
    per_second: float
    max_channels: int

    @classmethod
    def of(cls, rows: Sequence[Sequence[Placed]], every: Sequence[Placed]) -> Self:
        """Scaled so that the longest row fills the available width; `every` are all layers of the picture."""
        room = [(MAX_WIDTH - len(row) * (MIN_WIDTH + GAP)) / seconds for row in rows if (seconds := _seconds_of(row))]
        channels = [_channels(layer.op) for layer in every]
        return cls(_seconds_of(every), max(min(room, default=0.0), 0.0), max(*channels, 1))

    def width(self, layer: Placed) -> float:
        """Width of a layer's block."""
        return MIN_WIDTH + self.per_second * (layer.seconds or 0.0)

    def height(self, op: Op) -> float:
        """Height of an op's block."""
        return MIN_HEIGHT + TALLEST * math.sqrt(_channels(op) / self.max_channels)


def _seconds_of(row: Sequence[Placed]) -> float:
    return sum(layer.seconds or 0.0 for layer in row)


def _channels(op: Op) -> int:
    """Channels of the output; 0 if it is no image."""
    return op.output_shape[0] if len(op.output_shape) == 3 else 0


def block(layer: Placed, x: float, middle: float, scale: Scale) -> Html:
    """The block of a layer at a left edge and a middle height, with its latency below."""
    op, width, height = layer.op, scale.width(layer), scale.height(layer.op)
    drawing = op.definition.drawing(op)
    top = middle - height / 2
    hint = f"{layer.layer}: {op.title}" if layer.layer else op.title
    if layer.seconds is not None and not op.is_identity:
        hint += f"; {latency(layer.seconds)}, {percent(100 * layer.seconds / scale.total_s)} of all layers"
    place = {"x": f"{x:.1f}", "y": f"{top:.1f}", "width": f"{width:.1f}", "height": f"{height:.1f}", "rx": 5}
    center = x + width / 2
    if op.is_identity:
        paper = element("rect", class_="skip", **place)
        return element("g", element("title", hint), paper, text(center, middle + 4, "skip", "soft"))
    parts = [
        element("title", hint),
        element("rect", fill=drawing.color, **place),
        text(center, middle + 4, drawing.label, "on"),
    ]
    if layer.seconds is not None:
        parts.append(text(center, middle + height / 2 + 13, latency(layer.seconds), "soft"))
    return element("g", *parts)


def text(x: float, y: float, label_text: str, class_: str, anchor: str = "middle") -> Html:
    """Text at a place."""
    return element("text", label_text, x=f"{x:.1f}", y=f"{y:.1f}", class_=class_, text_anchor=anchor)


def legend(placed: Sequence[Placed], middle: float) -> tuple[Html, float]:
    """Draw the legend of the colors that occur; returns where it ends."""
    drawings = [layer.op.definition.drawing(layer.op) for layer in placed if not layer.op.is_identity]
    meanings = {drawing.meaning: drawing.color for drawing in drawings if drawing.meaning}
    entries = [(color, meaning) for meaning, color in sorted(meanings.items(), key=lambda entry: _natural(entry[0]))]
    if not all(drawing.meaning for drawing in drawings):
        entries.append((PLAIN_COLOR, "other op"))
    x = float(LABEL_WIDTH)
    parts: list[Html] = []
    for color, label_text in entries:
        parts.append(element("rect", x=f"{x:.1f}", y=f"{middle - 10:.1f}", width=14, height=14, rx=3, fill=color))
        parts.append(text(x + 20, middle + 1, label_text, "soft", "start"))
        x += 34 + 6.4 * len(label_text)
    if any(layer.op.is_identity for layer in placed):
        box = element("rect", x=x, y=middle - 10, width=14, height=14, rx=3, class_="skip", stroke=GRAY)
        parts += [box, text(x + 20, middle + 1, "skipped", "soft", "start")]
        x += 80
    letters = "; ".join(dict.fromkeys(drawing.legend for drawing in drawings if drawing.legend))
    parts.append(text(x, middle + 1, letters, "soft", "start"))
    return join(parts), x + 6.1 * len(letters)


def _natural(text: str) -> list[str]:
    """Sort key: numbers in a text by their size."""
    return [part.rjust(20) if part.isdigit() else part for part in re.split(r"(\d+)", text)]
