"""Op latencies: heat maps over two attributes, such as kernel and expansion, and a table for the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import plotly.graph_objects as go

from latkit.ops import Op, OpKind, Value
from latkit.report.figures.figures import axis, embed, layout
from latkit.report.formatting import ABSENT, digits, latency, shape_text
from latkit.report.html import Html, card, cards, element, join, paragraph, table
from latkit.timing import Estimate

HEAT = ("#fff3cf", "#fdd68a", "#f9a65a", "#e8714a")
"""From fast to slow: light enough that dark figures are readable on all of it."""

MAX_ROWS = 40
"""How many of the ops without a map are listed."""


@dataclass(slots=True)
class Place:
    """The ops that differ in the axes of their kind's maps only, with their seconds."""

    first: Op
    axes: tuple[str, str]
    seconds: dict[tuple[int, int], float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Input shape, output channels, and attributes that are not the default, for people."""
        facts = [f"{shape_text(self.first.input_shape)} → {self.first.output_shape[0]}"]
        for name, attribute in self.first.definition.attributes.items():
            value = self.first[name]
            if name in self.axes or callable(attribute.default) or attribute.default in (None, value):
                continue
            facts.append(str(value) if isinstance(value, str) else f"{name} {value}")
        return ", ".join(facts)


def places(ops: Mapping[Op, Estimate]) -> list[Place]:
    """The positions of one kind with several measured ops, in the order of a network."""
    found: dict[object, Place] = {}
    for op, latency_ in ops.items():
        axes = op.definition.map_axes
        if axes is not None:
            place = found.setdefault(_place_key(op), Place(op, axes))
            place.seconds[op.integer(axes[0]), op.integer(axes[1])] = latency_.seconds
    several = [place for place in found.values() if len(place.seconds) > 1]
    return sorted(several, key=_depth)


def _place_key(op: Op) -> tuple[object, ...]:
    axes = op.definition.map_axes or ()
    rest: list[tuple[str, Value]] = [(name, value) for name, value in op.attributes if name not in axes]
    return op.kind, op.input_shape, *rest


def _depth(place: Place) -> tuple[int, int, int]:
    """Sort key: the larger the image, the nearer to the input; then by channels, as networks widen."""
    channels, *size = place.first.input_shape
    return -math.prod(size), channels, place.first.output_shape[0]


def ops_section(ops: Mapping[Op, Estimate]) -> Html:
    """Every measured op: heat maps with one color scale per kind, and a table of the ops that are in no map."""
    maps = places(ops)
    mapped = {_place_key(place.first) for place in maps}
    others = {op: latency_ for op, latency_ in ops.items() if _place_key(op) not in mapped}
    parts: list[Html] = []
    for kind in dict.fromkeys(place.first.definition for place in maps):
        parts += _maps_of(kind, [place for place in maps if place.first.definition is kind])
    if others:
        parts.append(element("h4", "Other ops" if maps else "Ops"))
        parts.append(_others(others))
    return join(parts)


def _maps_of(kind: OpKind, maps: Sequence[Place]) -> list[Html]:
    """The heat maps of one kind."""
    every = [seconds for place in maps for seconds in place.seconds.values()]
    across, up = maps[0].axes
    return [
        paragraph(
            f"{kind.title} in µs by {across} (across) and {up} (up), measured alone, the runtime's fixed cost left "
            "out. One map for each input shape, output width and stride; all share one scale of colors."
        ),
        _scale(min(every), max(every)),
        cards(*(card(place.title, _map(place, min(every), max(every))) for place in maps), class_="maps"),
    ]


def _log(seconds: float) -> float:
    """Color follows the logarithm: latencies of one space differ tenfold. An op within the noise of zero is 0.1 µs."""
    return math.log10(max(seconds, 1e-7))


def _map(place: Place, lowest: float, highest: float) -> Html:
    columns = sorted({across for across, _ in place.seconds})
    rows = sorted({up for _, up in place.seconds})
    grid = [[place.seconds.get((across, up)) for across in columns] for up in rows]
    figure = go.Figure(
        go.Heatmap(
            x=[f"{place.axes[0][0]}{across}" for across in columns],
            y=[f"{place.axes[1][0]}{up}" for up in rows],
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
        layout(30 + 38 * len(rows), xaxis=axis(showgrid=False), yaxis=axis(showgrid=False)),
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
