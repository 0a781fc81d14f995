"""The course of a search: its losses, metric, expected latency, entropy and multiplier over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from latkit.report.figures.figures import BLUE, GRAY, GREEN, ORANGE, RED, SCALE, axis, embed, layout, plain
from latkit.report.formatting import unit_for
from latkit.report.html import Html, card, cards, paragraph
from latkit.report.sections.searches.search_facts import History
from latkit.search.tasks import Metric

Rows = Sequence[Mapping[str, Any]]


def course(history: History, target_s: float, metric: Metric) -> Html:
    """Small figures side by side, all over the epoch."""
    search, training = history.search, history.training
    unit, per_second = unit_for(target_s)
    figures = [
        card(
            "Loss",
            _lines(search, {"weight_loss": "weights", "architecture_loss": "architecture"}, "loss"),
        ),
        card(
            f"{metric.heading} of the supernet's paths",
            _lines(
                search,
                {f"weight_{metric.name}": "trained on", f"architecture_{metric.name}": "unseen by the weights"},
                metric.unit,
                metric.scale,
            ),
        ),
        card(
            "Expected latency",
            _lines(search, {"expected_latency_s": "expected"}, unit, per_second, goal=per_second * target_s),
        ),
        card(
            "Entropy: 1 undecided, 0 decided",
            _lines(search, {"entropy": "entropy"}, "", floor=0),
        ),
        card("Weight of latency in the loss", _lines(search, {"multiplier": "multiplier"}, "")),
    ]
    if training:
        trained = {f"weight_{metric.name}": "training images"}
        figures.append(card("Training of the derived network", _lines(training, trained, metric.unit, metric.scale)))
    return cards(*figures)


def _lines(
    rows: Rows,
    names: Mapping[str, str],
    unit: str,
    factor: float = 1,
    goal: float | None = None,
    floor: float | None = None,
) -> Html:
    """Columns of the history over the epoch; with the target as a line, and the warm-up shaded."""
    figure = go.Figure(
        layout=layout(
            250,
            xaxis=axis("epoch"),
            yaxis=axis(unit, **({} if floor is None else {"range": [floor, 1.03]})),
            showlegend=len(names) > 1 or goal is not None,
        )
    )
    for (name, title), color in zip(names.items(), (BLUE, ORANGE, GREEN), strict=False):
        present = [row for row in rows if row.get(name) is not None]
        figure.add_scatter(
            x=[row["epoch"] for row in present],
            y=[factor * row[name] for row in present],
            mode="lines+markers" if len(present) < 25 else "lines",
            name=title,
            line={"color": color, "width": 2},
            marker={"size": 5},
            hovertemplate="epoch %{x}: %{y:.4g}<extra></extra>",
        )
    if goal is not None and rows:
        ends = [rows[0]["epoch"], rows[-1]["epoch"]]
        dotted = {"color": RED, "dash": "dot", "width": 1.5}
        figure.add_scatter(x=ends, y=[goal, goal], mode="lines", name="target", line=dotted, hoverinfo="skip")
    if warm := sum(bool(row.get("warm_up")) for row in rows):
        figure.add_vrect(x0=0.5, x1=warm + 0.5, fillcolor=GRAY, opacity=0.12, line_width=0, layer="below")
    return embed(figure)


def probability_map(history: History, names: Sequence[Sequence[str]], architecture: Sequence[int]) -> Html:
    """The final probability of every candidate of every choice, with the chosen ones marked."""
    rows = history.search[-1]["probabilities"]
    width = max(map(len, rows))
    texts = [[plain(name) for name in row] for row in names]
    same = len({tuple(row) for row in texts if len(row) == width}) == 1
    columns = next(row for row in texts if len(row) == width) if same else [f"#{index}" for index in range(width)]
    places = [plain(choice) for choice in history.choices]
    figure = go.Figure(
        go.Heatmap(
            x=columns,
            y=places,
            z=[[*row, *[None] * (width - len(row))] for row in rows],
            text=[[*row, *[""] * (width - len(row))] for row in texts],
            hovertemplate="%{y}, %{text}: %{z:.3f}<extra></extra>",
            colorscale=SCALE,
            zmin=0,
            zmax=1,
            xgap=2,
            ygap=2,
            colorbar={"thickness": 10, "outlinewidth": 0},
        ),
        layout(
            70 + 24 * len(rows),
            xaxis=axis(showgrid=False, type="category"),
            yaxis=axis(showgrid=False, type="category", autorange="reversed"),
        ),
    )
    if architecture:
        figure.add_scatter(
            x=[columns[index] for index in architecture],
            y=places,
            mode="markers",
            marker={"symbol": "circle", "size": 8, "color": "white", "line": {"color": "black", "width": 1.5}},
            hoverinfo="skip",
            showlegend=False,
        )
    remark = paragraph("A dot marks what was derived.") if architecture else ""
    return card("Probability of every candidate at the end", remark, embed(figure))
