"""What was trained beside the derived network, on the same data in the same way."""

from __future__ import annotations

from latkit.report.html import Html, join, paragraph, table
from latkit.report.search_facts import SearchFacts
from latkit.report.words import ABSENT, latency, millions


def baselines_section(known: SearchFacts) -> Html:
    """The derived network and its baselines in a table."""
    columns = ("network", "accuracy", "predicted", "measured", "MACs", "parameters")
    rows: list[tuple[object, ...]] = []
    if known.result:
        result, measured = known.result, known.measured
        rows.append(
            (
                f"{known.name} (derived)",
                f"{100 * result.accuracy:.1f} %",
                latency(result.predicted_latency_s),
                latency(measured.network.measured_ms / 1e3) if measured else ABSENT,
                millions(result.macs),
                millions(result.parameters),
            )
        )
    rows += [
        (
            one.name,
            f"{100 * one.accuracy:.1f} %",
            latency(one.predicted_latency_s),
            latency(one.measured_latency_s) if one.measured_latency_s else ABSENT,
            millions(one.macs),
            millions(one.parameters),
        )
        for one in known.baselines
    ]
    words = "Trained on the same data in the same way as the derived network, at the same latency target."
    return join([paragraph(words), table(columns, rows)])
