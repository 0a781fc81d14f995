"""The cross table: networks made for one target, on every target."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.evaluation.cross_table import Cell, CrossTable, Row
from latkit.report.formatting import ABSENT, EMULATED, latency, marked, millions, percent
from latkit.report.html import Html, element, join, notice, paragraph, table
from latkit.report.scores import score, score_title


def cross_section(cross_table: CrossTable) -> Html:
    """The table, what it shows about every network on its own target, and what is absent."""
    return join([cross_rows(cross_table), _claims(cross_table), _absent(cross_table.rows)])


def cross_rows(cross_table: CrossTable) -> Html:
    """The table alone."""
    emulated = [notice(f"{target}: {EMULATED}") for target in cross_table.emulated]
    columns = (
        "network",
        score_title(row for row in cross_table.rows if row.score is not None),
        "MACs",
        "parameters",
        *(marked(t, t in cross_table.emulated) for t in cross_table.targets),
    )
    return join(
        [
            *emulated,
            paragraph(
                "Latency measured on each target, the mean of two measurements; below it what the target's model "
                "predicts, where it knows all ops of the network. A network's own target is marked with ★."
            ),
            table(columns, [_row(row, cross_table.targets) for row in cross_table.rows]),
        ]
    )


def _row(row: Row, targets: Sequence[str]) -> tuple[object, ...]:
    shape = "×".join(map(str, row.input_shape))
    return (
        join([row.name, Html("<br>"), element("small", f"{row.kind}, {shape}")]),
        score(row),
        millions(row.macs),
        millions(row.parameters),
        *(_cell(row.cells.get(target, Cell()), row.target == target) for target in targets),
    )


def _cell(cell: Cell, own: bool) -> Html:
    """Ratio of measured to predicted."""
    measured = ABSENT if cell.measured_ms is None else latency(cell.measured_ms / 1e3)
    lines: list[object] = [element("b", f"★ {measured}") if own else measured]
    if cell.predicted_ms is not None:
        off = "" if not cell.measured_ms else f", {percent(100 * (cell.predicted_ms / cell.measured_ms - 1), True)}"
        lines += [Html("<br>"), element("small", f"predicted {latency(cell.predicted_ms / 1e3)}{off}")]
    return join(lines)


def _claims(cross_table: CrossTable) -> Html:
    verdicts = {True: "Holds: ", False: "Does not hold: ", None: "Unknown: "}
    found = [element("li", element("b", verdicts[claim.holds]), claim.statement) for claim in cross_table.claims()]
    if not found:
        return join([])
    return join(
        [
            paragraph("Each network on its own target is at least as fast as the others that are as accurate?"),
            element("ul", *found),
        ]
    )


def _absent(rows: Sequence[Row]) -> Html:
    missing = [
        f"{row.name} on {target}: {cell.reason}"
        for row in rows
        for target, cell in row.cells.items()
        if cell.measured_ms is None
    ]
    return join([notice("Not measured: ", one) for one in missing])
