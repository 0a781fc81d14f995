"""The cross table on a terminal."""

from __future__ import annotations

from latkit.cli.console import Cell, note, say, show_table
from latkit.workspace.cross_table import Cell as Latency
from latkit.workspace.cross_table import CrossTable, Row


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
        "accuracy": None if row.accuracy is None else f"{100 * row.accuracy:.1f} %",
        "MACs": row.macs,
        "parameters": row.parameters,
    }
    return facts | {target: _cell_text(cell, target == row.target) for target, cell in row.cells.items()}


def _cell_text(cell: Latency, own: bool) -> str:
    measured = "–" if cell.measured_ms is None else f"{cell.measured_ms:.4g}"
    predicted = "" if cell.predicted_ms is None else f" ({cell.predicted_ms:.4g})"
    return measured + predicted + (" *" if own else "")
