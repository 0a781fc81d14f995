"""How many networks are worth measuring: the error on other networks, by the number calibrated on."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from latkit.latency_models import AdditiveModel
from latkit.report.figures.figures import BLUE, GRAY, GREEN, ORANGE, PINK, axis, embed, layout, plain
from latkit.report.html import Html, card, join, paragraph

COLORS = (BLUE, ORANGE, GREEN, PINK, GRAY)
DASHES = ("solid", "dash", "dot", "dashdot")
"""Curves may lie on each other: a dashed one shows what is below."""


def calibration_curve(models: Mapping[str, AdditiveModel]) -> Html:
    """The curve of every calibrated model; nothing if no network was measured."""
    curves = {kind: model.calibration_.curve for kind, model in models.items() if model.calibration_.curve}
    if not curves:
        return join([])
    intro = paragraph(
        "Networks are drawn from those measured again and again: a model is calibrated on that many of them and judged "
        "on all others. Where the curve is flat, further networks are not worth measuring."
    )
    figure = go.Figure(
        layout=layout(
            260,
            xaxis=axis("networks calibrated on", type="category"),
            yaxis=axis("mean error on other networks, %", rangemode="tozero"),
        )
    )
    for number, (kind, curve) in enumerate(curves.items()):
        figure.add_scatter(
            x=[str(point.networks) for point in curve],
            y=[100 * point.mean_error for point in curve],
            customdata=[100 * point.within_5 for point in curve],
            mode="lines+markers",
            name=plain(kind),
            line={"color": COLORS[number % len(COLORS)], "dash": DASHES[number % len(DASHES)]},
            hovertemplate="%{y:.3g} %, %{customdata:.0f} % of networks within 5 %<extra></extra>",
        )
    return join([intro, card("How many networks are worth measuring", embed(figure))])
