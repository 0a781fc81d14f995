"""The networks trained as baselines of the derived network, on the same data in the same way."""

from __future__ import annotations

from latkit.report.formatting import ABSENT, latency, millions
from latkit.report.html import Html, join, paragraph, table
from latkit.report.scores import score
from latkit.report.sections.searches.search_facts import SearchFacts
from latkit.search import SearchResult
from latkit.search.baselines.records import BaselineRecord


def baselines_section(known: SearchFacts) -> Html:
    """The derived network and its baselines in a table."""
    columns = ("network", known.metric.title, "predicted", "measured", "MACs", "parameters")
    rows = [_row(one.name, one, one.measured_latency_s) for one in known.baselines]
    if known.result:
        rows.insert(0, _row(f"{known.name} (derived)", known.result, known.measured_s))
    intro = "Trained on the same data in the same way as the derived network, at the same latency target."
    return join([paragraph(intro), table(columns, rows)])


def _row(name: str, trained: SearchResult | BaselineRecord, measured_s: float | None) -> tuple[object, ...]:
    return (
        name,
        score(trained),
        latency(trained.predicted_latency_s),
        latency(measured_s) if measured_s else ABSENT,
        millions(trained.macs),
        millions(trained.parameters),
    )
