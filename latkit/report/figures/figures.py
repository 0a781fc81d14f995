"""Figures: plotly in the page's own plain style."""

from __future__ import annotations

import html
from typing import Any

import plotly.io
from plotly.offline import get_plotlyjs

from latkit.report.html import Html

BLUE, ORANGE, GREEN, RED, SKY, PINK, GRAY = (
    "#2b7fc0",
    "#e69f00",
    "#1a9e77",
    "#d55e00",
    "#56b4e9",
    "#cc79a7",
    "#8a94a0",
)
"""Okabe and Ito's colors, which most color-blind readers can distinguish, and a gray for light and dark pages."""

SCALE = "Viridis"
"""The color scale of probabilities."""


def plain(text: object) -> str:
    """Text for a figure: plotly interprets tags in its labels, so a name with tags must be escaped for it too."""
    return html.escape(str(text))


def axis(title: str = "", **changes: object) -> dict[str, Any]:
    """An axis with a thin grid."""
    return {
        **({"title": {"text": title, "standoff": 8}} if title else {}),
        "gridcolor": "rgba(138,148,160,.25)",
        "zeroline": False,
        "automargin": True,
        **changes,
    }


def layout(height: int, **changes: object) -> dict[str, Any]:
    """A layout without plotly's own template, on the page's background."""
    return {
        "template": {},
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 10, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, Segoe UI, Roboto, Liberation Sans, sans-serif", "size": 12, "color": GRAY},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        "hoverlabel": {"align": "left"},
        "dragmode": False,
        **changes,
    }


def embed(figure: Any) -> Html:
    """A plotly figure as markup; plotly.js must be on the page."""
    config = {"responsive": True, "displayModeBar": False}
    return Html(plotly.io.to_html(figure, full_html=False, include_plotlyjs=False, config=config))


def plotly_script() -> Html:
    """plotly.js itself, included once per page.

    Figures are drawn while the page is still loading; once it is complete, they are fitted to the final width.
    """
    fit = "addEventListener('load', () => dispatchEvent(new Event('resize')));"
    return Html(f"<script>{get_plotlyjs()}</script><script>{fit}</script>")
