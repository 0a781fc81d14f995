"""Objects shown in a notebook: their facts and rows as HTML, every text escaped; rows as a data frame."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from latkit._io.text import printable

MAX_ROWS = 60
"""Maximum rows of a table in a notebook."""

Row = Mapping[str, object]


def one_line_repr(kind: str, name: str, facts: Mapping[str, object]) -> str:
    """Text such as `<ChainSpace tiny: choices 12, ops 40>`."""
    return printable(f"<{kind} {name}: {', '.join(f'{label} {_text(value)}' for label, value in facts.items())}>")


def html_card(title: str, facts: Mapping[str, object], rows: Sequence[Row] = ()) -> str:
    """A caption, a list of facts, and the first rows of a table."""
    lines = "".join(f"<tr><th>{_escaped(label)}</th><td>{_escaped(value)}</td></tr>" for label, value in facts.items())
    return f"<div><b>{_escaped(title)}</b><table>{lines}</table>{_html_rows(rows)}</div>"


def to_polars(rows: Iterable[Row]) -> Any:
    """Rows as a `polars.DataFrame`, a column for each field."""
    import polars as pl

    return pl.DataFrame([dict(row) for row in rows], infer_schema_length=None)


def _html_rows(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{_escaped(label)}</th>" for label in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{_escaped(value)}</td>" for value in row.values()) + "</tr>"
        for row in islice(rows, MAX_ROWS)
    )
    left_out = f"<p>{len(rows) - MAX_ROWS} more rows</p>" if len(rows) > MAX_ROWS else ""
    return f"<table><tr>{head}</tr>{body}</table>{left_out}"


def _escaped(value: object) -> str:
    return html.escape(printable(_text(value)))


def _text(value: object) -> str:
    if value is None:
        return "unknown"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
