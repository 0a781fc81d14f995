"""The cross table on a terminal."""

from __future__ import annotations

from latkit.cli.console import Cell, emit_json, note, say, show_table
from latkit.evaluation.cross_table import Cell as Latency
from latkit.evaluation.cross_table import CrossTable, Row
from latkit.workspace.compare import Comparison


def show_comparison(comparison: Comparison, name: str, as_json: bool) -> None:
    """The cross table that was made, and where it is saved."""
    if as_json:
        emit_json({**comparison.cross_table.document(), "file": str(comparison.path)})
        return
    show_cross_table(comparison.cross_table)
    say(f"saved in {comparison.path}; look at it with: latkit report {name} -o {name}.html")


def show_cross_table(cross_table: CrossTable) -> None:
    """The table for people, what it shows about every network on its own target, and what is absent."""
    show_table(
        f"every network on every target: ms, in brackets as predicted ({cross_table.name})",
        list(map(_row, cross_table.rows)),
    )
    for claim in cross_table.claims():
        say(("" if claim.holds else "not: " if claim.holds is False else "unknown: ") + claim.statement)
    for row in cross_table.rows:
        for target, cell in row.cells.items():
            if cell.measured_ms is None:
                note(f"not measured: {row.name} on {target}: {cell.reason}")
    for target in cross_table.emulated:
        note(f"{target} is emulated: these are no phone's latencies")


def _row(row: Row) -> dict[str, Cell]:
    facts: dict[str, Cell] = {
        "network": row.name,
        row.metric.title: None if row.score is None else row.metric.format(row.score),
        "MACs": row.macs,
        "parameters": row.parameters,
    }
    return facts | {target: _cell_text(cell, target == row.target) for target, cell in row.cells.items()}


def _cell_text(cell: Latency, own: bool) -> str:
    measured = "–" if cell.measured_ms is None else f"{cell.measured_ms:.4g}"
    predicted = "" if cell.predicted_ms is None else f" ({cell.predicted_ms:.4g})"
    return measured + predicted + (" *" if own else "")
