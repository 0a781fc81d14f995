"""External models on a target's page: each measured as a whole, then predicted, with its kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from latkit.errors import LatkitError
from latkit.evaluation.measured import MeasuredLatency, last_round_at, latest_latency
from latkit.graphs import Graph
from latkit.latency_models.kernels import KernelRow, Prediction
from latkit.layout.external_models import ExternalModel
from latkit.report.figures.op_table import Value, sortable_table
from latkit.report.formatting import ABSENT, count, latency, millions, percent, shape_text
from latkit.report.html import Html, command, details, join, notice, paragraph, table
from latkit.report.sections.targets.target_facts import TargetFacts
from latkit.timing import Estimate

MAX_NAME_CHARS = 60
SOURCES = {"profile": "the file itself", "workload": "its graph, with latkit's weights"}
"""What was measured, by the source of a latency."""


@dataclass(frozen=True, slots=True)
class ExternalLatency:
    """What is known of one external model."""

    record: ExternalModel
    graph: Graph | None
    """None where it was not measured in the latest environment."""
    measured: MeasuredLatency | None
    prediction: Prediction | None
    reason: str = ""
    """Why there is no prediction."""


def external_latencies(known: TargetFacts) -> list[ExternalLatency]:
    """The external models of a target in its latest environment."""
    if not known.measurements:
        return []
    environment = max(known.measurements, key=last_round_at).environment
    here = [one for one in known.measurements if one.environment == environment]
    graphs = {one.workload.key: one.workload for one in here if isinstance(one.workload, Graph)}
    found = []
    for record in known.external:
        graph = graphs.get(record.graph_key)
        if graph is None:
            found.append(ExternalLatency(record, None, None, None))
            continue
        named = record.named(graph)
        measured = latest_latency(here, graph, record.content(graph))
        found.append(ExternalLatency(record, named, measured, *_predicted(known, named)))
    return found


def _predicted(known: TargetFacts, graph: Graph) -> tuple[Prediction | None, str]:
    if known.kernels is None:
        return None, "no latency model of external networks is fitted"
    try:
        return known.kernels.predict(graph), ""
    except LatkitError as error:
        return None, str(error)


def external_section(known: TargetFacts) -> Html:
    """One row per model, then the kernels of each."""
    found = external_latencies(known)
    intro = "Each was measured as a whole. The prediction beside it is made of its kernels alone."
    columns = ("model", "what was measured", "measured", "90 % interval", "predicted", "90 % interval", "error")
    parts = [paragraph(intro), table(columns, map(_row, found), text_columns=2)]
    if known.kernels is None:
        parts.append(notice("No latency model of external networks; run: ", command(f"latkit fit {known.target}")))
    return join([*parts, *map(_in_detail, found)])


def _row(one: ExternalLatency) -> tuple[str, ...]:
    measured, predicted = one.measured, one.prediction
    error = 100 * (predicted.seconds / measured.latency.seconds - 1) if measured and predicted else None
    return (
        one.record.file,
        SOURCES[measured.source] if measured else "not measured in the latest environment",
        *_latency_cells(measured.latency if measured else None),
        *_latency_cells(predicted),
        percent(error, signed=True),
    )


def _latency_cells(known: Estimate | None) -> tuple[str, str]:
    if known is None:
        return ABSENT, ABSENT
    interval = known.interval
    return latency(known.seconds), f"{latency(interval[0])} to {latency(interval[1])}" if interval else ABSENT


def _in_detail(one: ExternalLatency) -> Html:
    if one.prediction is None:
        return notice(f"{one.record.file}: no kernels: {one.reason}") if one.graph is not None else Html()
    rows = [_kernel_row(row) for row in one.prediction.kernels]
    columns = ("kernel", "nodes", "output", "MACs", "adds", "share", "known")
    summary = f"{one.record.file}: {count(len(rows), 'kernel')}"
    return details(summary, sortable_table(columns, rows, "kernels", total=columns.index("share")))


def _kernel_row(row: KernelRow) -> tuple[Value, ...]:
    return (
        (row.kind, None),
        (_names(row.nodes), None),
        (shape_text(row.output_shape), None),
        (millions(row.macs), row.macs),
        (latency(row.seconds), row.seconds),
        (percent(100 * row.share), 100 * row.share),
        (row.known, None),
    )


def _names(nodes: Sequence[str]) -> str:
    """The names of a kernel's nodes: the ends of long ones, which tell most."""
    short = (name if len(name) <= MAX_NAME_CHARS else f"…{name[-MAX_NAME_CHARS:]}" for name in nodes)
    return ", ".join(short) or ABSENT
