"""Device drift: the reference's latency in every round, over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import plotly.graph_objects as go

from latkit.report.figures.figures import BLUE, GRAY, RED, axis, embed, layout
from latkit.report.formatting import latency, percent, unit_for
from latkit.report.html import Html, card, join, paragraph
from latkit.timing import Round


def drift(rounds: Sequence[Round], reference_s: float | None) -> Html:
    """One point per round: the reference's fastest run and its median run."""
    fastest = np.array([min(one_round.reference_wall_ns) for one_round in rounds]) / 1e9
    median = np.array([np.median(one_round.reference_wall_ns) for one_round in rounds]) / 1e9
    low_s, high_s = np.quantile(median, [0.05, 0.95])
    intro = paragraph(
        "The reference is a small network that never changes, timed in turn with everything else: what it does here is "
        f"the machine's doing. In 90 % of {len(rounds):,} rounds its median run took {latency(low_s)} to "
        f"{latency(high_s)}, a spread of {percent(100 * float(high_s / low_s - 1))}; its fastest run, "
        f"{latency(float(np.quantile(fastest, 0.05)))} to {latency(float(np.quantile(fastest, 0.95)))}."
    )
    return join([intro, card("Reference latency over time", _figure(rounds, fastest, median, reference_s))])


def _figure(rounds: Sequence[Round], fastest: np.ndarray, median: np.ndarray, reference_s: float | None) -> Html:
    moments = [datetime.fromtimestamp(one_round.started_at, UTC).replace(tzinfo=None) for one_round in rounds]
    unit, per_second = unit_for(float(fastest.min()))
    figure = go.Figure(
        layout=layout(
            280,
            xaxis=axis("time (UTC)", type="date"),
            yaxis=axis(unit),
        )
    )
    for name, values, color in (("median run of a round", median, GRAY), ("fastest run of a round", fastest, BLUE)):
        figure.add_scatter(
            x=moments,
            y=per_second * values,
            mode="markers",
            name=name,
            marker={"size": 5, "color": color, "opacity": 0.75},
            hovertemplate="%{y:.4g}<extra></extra>",
        )
    if reference_s is not None:
        figure.add_hline(y=per_second * reference_s, line={"color": RED, "dash": "dot", "width": 1.5})
        # a line across the plot has no legend entry
        figure.add_scatter(
            x=[None], y=[None], mode="lines", name="counted as quiet", line={"color": RED, "dash": "dot", "width": 1.5}
        )
    return embed(figure)
