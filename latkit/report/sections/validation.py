"""Predicted against measured latency, compared with measuring the same networks again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from latkit._io.arrays import Floats
from latkit.evaluation.validation import NetworkResult, Validation
from latkit.ops import Network
from latkit.report.figures.figures import BLUE, GRAY, ORANGE, axis, embed, layout, plain
from latkit.report.formatting import ABSENT, composition, latency, percent, unit_for
from latkit.report.html import Html, card, element, join, notice, paragraph, table

WORST = 8
"""How many of the largest errors are listed."""

MIN_NETWORKS_PER_OP = 3
"""An op's effect on the errors is shown if at least this many networks hold it, and as many do not."""


def validation_section(validation: Validation, networks: Mapping[str, Network]) -> Html:
    """The figures, the scatter plot, the largest errors, and the ops that correlate with them."""
    count = validation.calibration_networks
    calibrated = f"calibrated on {count} other networks" if count else "calibrated on no network"
    parts = [
        element("h4", f"Space {validation.space}, {validation.model} model"),
        paragraph(
            f"{validation.networks} networks that the model has not seen ({calibrated}), each measured twice. "
            "“Measured again” predicts one of the two measurements by the other: no model can do better."
        ),
        _figures(validation),
        card("Predicted against measured", scatter(validation.results, validation.repeatability_mape_percent)),
        element("h4", "Largest errors"),
        _worst(validation.results, networks),
        _suspects(validation.results, networks),
    ]
    if validation.left_out:
        parts.append(notice(f"Left out: {'; '.join(validation.left_out)}"))
    return join(parts)


def _figures(validation: Validation) -> Html:
    """The model's figures and the same figures of repetition."""
    from scipy import stats  # which takes a second to import

    first = np.array([row.first_ms for row in validation.results])
    second = np.array([row.second_ms for row in validation.results])
    apart = np.abs(second / first - 1)
    again: list[tuple[str, str, str]] = [
        (
            "mean absolute error",
            percent(validation.mape_percent),
            percent(validation.repeatability_mape_percent),
        ),
        (
            "root mean square error",
            latency(validation.rmse_ms / 1e3),
            latency(float(np.sqrt(np.mean((first - second) ** 2))) / 1e3),
        ),
        ("within 5 %", _share(validation.within_5_percent), _share(100 * float(np.mean(apart <= 0.05)))),
        ("within 10 %", _share(validation.within_10_percent), _share(100 * float(np.mean(apart <= 0.1)))),
        ("inside the 90 % interval", _share(validation.interval_coverage_percent), ABSENT),
        ("rank correlation (Spearman)", _rank(validation.spearman), _correlation(stats.spearmanr, first, second)),
        ("rank correlation (Kendall)", _rank(validation.kendall), _correlation(stats.kendalltau, first, second)),
        ("mean latency", latency(validation.mean_latency_ms / 1e3), ABSENT),
    ]
    return table(("", "model", "measured again"), again)


def _share(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.0f} %"


def _rank(value: float | None) -> str:
    return f"{value:.3f}" if value is not None and np.isfinite(value) else ABSENT


def _correlation(method: Callable[[Floats, Floats], object], first: Floats, second: Floats) -> str:
    """A rank correlation; None if one side is constant and has no ranks."""
    if len(set(first)) < 2 or len(set(second)) < 2:
        return ABSENT
    return _rank(float(getattr(method(first, second), "statistic")))  # noqa: B009


def scatter(results: Sequence[NetworkResult], repeatability_percent: float | None = None) -> Html:
    """Networks as points with their prediction intervals, the diagonal, and the repeatability band about it."""
    unit, per_second = unit_for(float(np.mean([row.measured_ms for row in results])) / 1e3)
    factor = per_second / 1e3
    measured = [factor * row.measured_ms for row in results]
    intervals = [row.interval_ms or (row.predicted_ms, row.predicted_ms) for row in results]
    bounds = [*measured, *(factor * bound for interval in intervals for bound in interval)]
    margin = 0.04 * (max(bounds) - min(bounds)) or 0.04 * max(bounds)
    low, high = min(bounds) - margin, max(bounds) + margin
    figure = go.Figure(
        layout=layout(
            420,
            xaxis=axis(f"measured, {unit}", range=[low, high]),
            yaxis=axis(f"predicted, {unit}", range=[low, high]),
        )
    )
    if repeatability_percent is not None:
        _add_band(figure, low, high, repeatability_percent / 100)
    _add_diagonal(figure, low, high)
    _add_networks(figure, results, factor)
    return embed(figure)


def _add_band(figure: go.Figure, low: float, high: float, band: float) -> None:
    """The repeatability band about the diagonal, as a share."""
    figure.add_scatter(
        x=[low, high, high, low],
        y=[low * (1 - band), high * (1 - band), high * (1 + band), low * (1 + band)],
        fill="toself",
        mode="lines",
        line={"width": 0},
        fillcolor="rgba(230,159,0,.38)",
        name=f"repeatability ±{percent(100 * band)}",
        hoverinfo="skip",
    )


def _add_diagonal(figure: go.Figure, low: float, high: float) -> None:
    figure.add_scatter(
        x=[low, high],
        y=[low, high],
        mode="lines",
        name="equal",
        line={"color": GRAY, "width": 1, "dash": "dash"},
        hoverinfo="skip",
    )


def _add_networks(figure: go.Figure, results: Sequence[NetworkResult], factor: float) -> None:
    """One point per network. `factor` turns milliseconds into the figure's unit."""
    intervals = [row.interval_ms or (row.predicted_ms, row.predicted_ms) for row in results]
    figure.add_scatter(
        x=[factor * row.measured_ms for row in results],
        y=[factor * row.predicted_ms for row in results],
        mode="markers",
        name="network, with 90 % interval",
        marker={"size": 8, "color": BLUE, "line": {"width": 1, "color": "white"}},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [factor * (high - row.predicted_ms) for row, (_, high) in zip(results, intervals, strict=True)],
            "arrayminus": [factor * (row.predicted_ms - low) for row, (low, _) in zip(results, intervals, strict=True)],
            "color": GRAY,
            "thickness": 1,
            "width": 3,
        },
        # from one of the two measurements to the other
        error_x={
            "type": "data",
            "array": [factor * abs(row.first_ms - row.second_ms) / 2 for row in results],
            "color": ORANGE,
            "thickness": 2,
            "width": 0,
        },
        text=[f"{plain(row.name)}: {percent(row.error_percent, signed=True)}" for row in results],
        hovertemplate="%{text}<br>measured %{x:.4g}, predicted %{y:.4g}<extra></extra>",
    )


def _worst(results: Sequence[NetworkResult], networks: Mapping[str, Network]) -> Html:
    rows = [
        (
            row.name,
            composition(networks[row.key]) if row.key in networks else " ".join(map(str, row.architecture)),
            latency(row.predicted_ms / 1e3, 4),
            latency(row.measured_ms / 1e3, 4),
            percent(row.error_percent, signed=True),
            percent(100 * abs(row.first_ms - row.second_ms) / row.measured_ms),
        )
        for row in sorted(results, key=lambda row: -abs(row.error_percent))[:WORST]
    ]
    columns = ("network", "its ops", "predicted", "measured", "error", "its two measurements apart")
    return table(columns, rows, text_columns=2)


def _suspects(results: Sequence[NetworkResult], networks: Mapping[str, Network]) -> Html:
    """Ops by the difference between the mean error of networks with them and of networks without them."""
    known = [(row.error_percent, set(networks[row.key].ops)) for row in results if row.key in networks]
    found = []
    for op in dict.fromkeys(op for _, ops in known for op in ops):
        holding = [error for error, ops in known if op in ops]
        lacking = [error for error, ops in known if op not in ops]
        if min(len(holding), len(lacking)) >= MIN_NETWORKS_PER_OP:
            found.append((float(np.mean(holding) - np.mean(lacking)), op, len(holding)))
    if not found:
        return paragraph("Too few networks to tell which ops go with the errors.")
    found.sort(key=lambda row: -abs(row[0]))
    rows = [(op.title, percent(difference, signed=True), count) for difference, op, count in found[:5]]
    return join(
        [
            element("h4", "Ops that go with the errors"),
            paragraph(
                "Mean error of the networks that hold the op, less that of the networks that do not. With few networks "
                "much of this is chance; an op that stays on top with more of them is worth measuring again."
            ),
            table(("op", "difference", "networks with it"), rows),
        ]
    )
