"""A page with figures: plotly.js is in it once."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.report.figures.figures import plotly_script
from latkit.report.figures.op_table import SORTABLE, table_script
from latkit.report.html import Html
from latkit.report.page import NOTHING, Frame, Heading, framed


def page(heading: Heading, content: Html, anchors: Sequence[tuple[str, str]] = ()) -> Html:
    """A complete HTML document with plotly.js, and the script of sortable tables where there are any."""
    sorting = table_script() if SORTABLE in content else NOTHING
    return framed(heading, content, anchors, Frame(head=plotly_script(), end=sorting))
