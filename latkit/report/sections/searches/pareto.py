"""Scores against latency: derived networks, their baselines, and the networks made for other targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from latkit.evaluation.cross_table import CrossTable
from latkit.report.figures.figures import BLUE, GRAY, GREEN, ORANGE, PINK, axis, embed, layout, plain
from latkit.report.formatting import latency, unit_for
from latkit.report.html import Html, card, join, paragraph
from latkit.report.sections.searches.search_facts import SearchFacts
from latkit.search.tasks import TASKS, Metric
from latkit.targets import Target

STYLES = {
    "derived": ("searched for this target", BLUE, "circle"),
    "elsewhere": ("searched for another target", GRAY, "diamond"),
    "random": ("random", ORANGE, "square"),
    "evolution": ("evolution", GREEN, "triangle-up"),
    "mobilenetv2": ("MobileNetV2", PINK, "x"),
    "evaluated": ("evaluated with the supernet's weights", GRAY, "circle"),
    "winner": ("specialized for this target", BLUE, "circle"),
}
"""Labels and styles of the kinds of networks; other kinds as `elsewhere`, under their own name."""

CONNECTED = ("derived", "winner")
"""Kinds whose points are connected."""
SMALL = ("evaluated",)
"""Kinds of which there are too many for large points."""


@dataclass(frozen=True, slots=True)
class Point:
    """A network on one target."""

    name: str
    kind: str
    seconds: float
    measured: bool
    """Otherwise predicted."""
    score: float


def pareto_section(searches: Sequence[SearchFacts], cross_tables: Sequence[CrossTable]) -> Html:
    """A figure per target and data; nothing if there is only one network to show."""
    groups: dict[tuple[Target, str, str], list[SearchFacts]] = {}
    for known in searches:
        if known.result and known.target:
            groups.setdefault((known.target, known.recipe.data.name, known.result.task), []).append(known)
    pictures = []
    for (target, data, task), members in groups.items():
        points = [*_own(members), *_elsewhere(target, members, searches, cross_tables)]
        if len(points) > 1:
            pictures.append(card(f"{target}, {data}", picture(points, TASKS.get(task).metric)))
    intro = "Filled: measured on the target; hollow: predicted only. Better is up and to the left."
    return join([paragraph(intro), *pictures] if pictures else [])


def _own(searches: Sequence[SearchFacts]) -> Iterator[Point]:
    for known in searches:
        assert known.result is not None
        seconds = known.measured_s or known.result.predicted_latency_s
        yield Point(known.name, "derived", seconds, known.measured_s is not None, known.result.score)
        for one in known.baselines:
            seconds = one.measured_latency_s or one.predicted_latency_s
            yield Point(one.name, one.kind, seconds, one.measured_latency_s is not None, one.score)


def _elsewhere(
    target: Target, own: Sequence[SearchFacts], searches: Sequence[SearchFacts], cross_tables: Sequence[CrossTable]
) -> Iterator[Point]:
    """Networks that searches of the same data made for other targets, as cross tables have them on this one."""
    same_data = {known.name for known in searches if known.recipe.data == own[0].recipe.data}
    plotted = {known.name for known in own}
    for table in cross_tables:
        for row in table.rows:
            cell = row.cells.get(str(target))
            if cell is None or cell.measured_ms is None or row.score is None or row.name in plotted:
                continue
            if row.name in same_data:
                plotted.add(row.name)
                yield Point(row.name, "elsewhere", cell.measured_ms / 1e3, True, row.score)


def picture(points: Sequence[Point], metric: Metric) -> Html:
    """A figure of the networks of one target."""
    unit, per_second = unit_for(max(point.seconds for point in points))
    figure = go.Figure(layout=layout(340, xaxis=axis(f"latency, {unit}"), yaxis=axis(metric.axis)))
    for kind in dict.fromkeys(point.kind for point in points):
        title, color, symbol = STYLES.get(kind, (kind, GRAY, "diamond"))
        of_kind = sorted((point for point in points if point.kind == kind), key=lambda point: point.seconds)
        figure.add_scatter(
            x=[per_second * point.seconds for point in of_kind],
            y=[metric.scale * point.score for point in of_kind],
            mode="lines+markers" if kind in CONNECTED else "markers",
            name=plain(title),
            line={"color": color, "width": 1, "dash": "dot"},
            marker={
                "size": 5 if kind in SMALL else 10,
                "color": color,
                "symbol": [symbol if point.measured else f"{symbol}-open" for point in of_kind],
            },
            text=[f"{plain(point.name)}: {latency(point.seconds)}, {metric.format(point.score)}" for point in of_kind],
            hovertemplate="%{text}<extra></extra>",
        )
    return embed(figure)
