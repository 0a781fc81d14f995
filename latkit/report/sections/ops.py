"""Op latencies: a heat map over kernel and expansion for every position in a network, a table for the others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import plotly.graph_objects as go

from latkit.ops import Op, Value
from latkit.report.figures.figures import axis, embed, layout
from latkit.report.formatting import ABSENT, digits, latency, shape_text
from latkit.report.html import Html, card, cards, element, join, paragraph, table
from latkit.timing import Estimate

AXES = ("kernel", "expansion")
"""The axes of a heat map; ops that agree in everything else are in the same position."""

HEAT = ("#fff3cf", "#fdd68a", "#f9a65a", "#e8714a")
"""From fast to slow: light enough that dark figures are readable on all of it."""

MAX_ROWS = 40
"""How many of the ops without a map are listed."""


@dataclass(slots=True)
class Place:
    """The ops that differ in kernel and expansion only, with their seconds."""

    first: Op
    seconds: dict[tuple[int, int], float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Input shape, output channels and stride, for people."""
        facts = f"{shape_text(self.first.input_shape)} → {self.first['out_channels']}"
        if self.first["stride"] != 1:
            facts += f", stride {self.first['stride']}"
        return facts if self.first["activation"] == "relu6" else f"{facts}, {self.first['activation']}"


def places(ops: Mapping[Op, Estimate]) -> list[Place]:
    """The positions with several measured kernels or expansions, in the order of a network."""
    found: dict[object, Place] = {}
    for op, latency_ in ops.items():
        if op.kind == "mbconv":
            place = found.setdefault(_place_key(op), Place(op))
            place.seconds[op.integer("kernel"), op.integer("expansion")] = latency_.seconds
    several = [place for place in found.values() if len(place.seconds) > 1]
    return sorted(several, key=_depth)


def _place_key(op: Op) -> tuple[object, ...]:
    rest: list[tuple[str, Value]] = [(name, value) for name, value in op.attributes if name not in AXES]
    return op.input_shape, *rest


def _depth(place: Place) -> tuple[int, int, int]:
    """Sort key: the larger the image, the nearer to the input; then by channels, as networks widen."""
    channels, height, _ = place.first.input_shape
    return -height, channels, place.first.integer("out_channels")


def ops_section(ops: Mapping[Op, Estimate]) -> Html:
    """Every measured op: heat maps with one color scale, and a table of the ops that are in no map."""
    maps = places(ops)
    mapped = {_place_key(place.first) for place in maps}
    others = {op: latency_ for op, latency_ in ops.items() if op.kind != "mbconv" or _place_key(op) not in mapped}
    parts: list[Html] = []
    if maps:
        every = [seconds for place in maps for seconds in place.seconds.values()]
        parts += [
            paragraph(
                "MBConv in µs by kernel (across) and expansion (up), measured alone, the runtime's fixed cost left "
                "out. One map for each input shape, output width and stride; all share one scale of colors."
            ),
            _scale(min(every), max(every)),
            cards(*(card(place.title, _map(place, min(every), max(every))) for place in maps), class_="maps"),
        ]
    if others:
        parts.append(element("h4", "Other ops" if maps else "Ops"))
        parts.append(_others(others))
    return join(parts)


def _log(seconds: float) -> float:
    """Color follows the logarithm: latencies of one space differ tenfold. An op within the noise of zero is 0.1 µs."""
    return math.log10(max(seconds, 1e-7))


def _map(place: Place, lowest: float, highest: float) -> Html:
    kernels = sorted({kernel for kernel, _ in place.seconds})
    expansions = sorted({expansion for _, expansion in place.seconds})
    grid = [[place.seconds.get((kernel, expansion)) for kernel in kernels] for expansion in expansions]
    figure = go.Figure(
        go.Heatmap(
            x=[f"k{kernel}" for kernel in kernels],
            y=[f"e{expansion}" for expansion in expansions],
            z=[[None if cell is None else _log(cell) for cell in row] for row in grid],
            text=[["" if cell is None else digits(1e6 * cell) for cell in row] for row in grid],
            texttemplate="%{text}",
            textfont={"color": "#10202e"},
            hovertemplate="%{x} %{y}: %{text} µs<extra></extra>",
            colorscale=list(HEAT),
            zmin=_log(lowest),
            zmax=_log(highest),
            showscale=False,
            xgap=2,
            ygap=2,
        ),
        layout(30 + 38 * len(expansions), xaxis=axis(showgrid=False), yaxis=axis(showgrid=False)),
    )
    figure.update_layout(margin={"l": 4, "r": 4, "t": 4, "b": 4})
    return embed(figure)


def _scale(lowest: float, highest: float) -> Html:
    """The color scale with its two ends."""
    ramp = element("i", style=f"background: linear-gradient(90deg, {', '.join(HEAT)})")
    return element("div", latency(lowest), ramp, latency(highest), class_="scale")


def _others(ops: Mapping[Op, Estimate]) -> Html:
    slowest = sorted(ops.items(), key=lambda item: -item[1].seconds)
    rows = [
        (
            op.title,
            latency(one.seconds),
            " to ".join(map(latency, one.interval or ())) or ABSENT,
            f"{op.macs / 1e6:.3f} M",
        )
        for op, one in slowest[:MAX_ROWS]
    ]
    left_out = len(slowest) - len(rows)
    shown = table(("op", "latency", "90 % interval", "MACs"), rows)
    return join([shown, paragraph(f"The {len(rows)} slowest; {left_out} more were measured.")]) if left_out else shown
