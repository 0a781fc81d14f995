"""A page with figures: plotly.js is in it once."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.report.figures.figures import plotly_script
from latkit.report.html import Html
from latkit.report.page import Frame, Heading, framed


def page(heading: Heading, content: Html, anchors: Sequence[tuple[str, str]] = ()) -> Html:
    """A complete HTML document with plotly.js."""
    return framed(heading, content, anchors, Frame(head=plotly_script()))
