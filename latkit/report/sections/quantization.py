"""A quantization's page: the policy op by op with its boundaries, what each precision would cost, and the files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import plotly.graph_objects as go

from latkit.layout import FittedModels
from latkit.report.figures.figures import BLUE, GRAY, GREEN, ORANGE, PINK, RED, SKY, axis, embed, layout, plain
from latkit.report.formatting import ABSENT, digits
from latkit.report.html import Html, card, join, paragraph, section, table, tiles
from latkit.search.quantization.records import QUANTIZED_FILE, LayerPolicy, QuantizeResult, Variant
from latkit.search.records.base import load_record

COLORS = (GREEN, BLUE, PINK, SKY, GRAY)
UNITS = {"latency_ms": "ms", "size_mb": "MB"}


def quantizations_of(workspace: FittedModels) -> Iterator[str]:
    """The names of finished quantizations."""
    return (path.parent.name for path in sorted((workspace.root / "search").glob(f"*/{QUANTIZED_FILE}")))


def read_quantization(folder: Path) -> QuantizeResult:
    """Raises BadFile."""
    return load_record(QuantizeResult, folder / QUANTIZED_FILE)


def quantization_lede(result: QuantizeResult) -> str:
    """What the page shows, in one sentence."""
    return (
        f"The precision of every op of {result.network} on {result.target}, at most {_amount(result, result.bound)}: "
        f"the policy {result.winner}, op by op, and what each file costs and loses."
    )


def quantization_sections(result: QuantizeResult, level: int = 2) -> Html:
    """Everything known of a quantization, under headings of a level."""
    return join(
        [
            tiles(_headline(result)),
            section("The policy", _drawn(result), level=level),
            section("Op by op", _layers(result.layers), level=level),
            section("Files", _files(result), level=level),
        ]
    )


def _amount(result: QuantizeResult, value: float) -> str:
    return f"{digits(value)} {UNITS[result.quantity]}"


def _headline(result: QuantizeResult) -> dict[str, object]:
    winner, before = result.variants[result.winner], result.variants.get("fp32")
    figures: dict[str, object] = {"bound": _amount(result, result.bound), "policy": result.winner}
    figures["predicted"] = f"{digits(winner.predicted_ms)} ms"
    figures["measured"] = f"{digits(winner.measured_ms)} ms" if winner.measured_ms else None
    if before is not None and before.measured_ms and winner.measured_ms:
        figures["of the time of fp32"] = f"{winner.measured_ms / before.measured_ms:.2f}×"
    figures[f"{result.metric.title} of the file"] = _score(result, winner.score)
    return figures


def _score(result: QuantizeResult, value: float | None) -> str | None:
    return None if value is None else result.metric.format(value, 2)


def _drawn(result: QuantizeResult) -> Html:
    """One bar per op in the color of its precision, and one for each boundary; lines show the other precisions."""
    layers, figure = result.layers, go.Figure()
    names = list(dict.fromkeys(name for layer in layers for name in layer.precisions))
    titles = [f"{number}. {plain(layer.op)}" for number, layer in enumerate(layers, 1)]
    for name, color in zip(names, COLORS * len(names), strict=False):
        chosen = [at for at, layer in enumerate(layers) if layer.precision == name]
        figure.add_bar(
            x=[titles[at] for at in chosen],
            y=[1e3 * _ms(layers[at], name) for at in chosen],
            name=name,
            marker_color=color,
        )
        others = [at for at, layer in enumerate(layers) if layer.precision != name and name in layer.precisions]
        figure.add_scatter(
            x=[titles[at] for at in others],
            y=[1e3 * _ms(layers[at], name) for at in others],
            mode="markers",
            marker={"symbol": "line-ew-open", "size": 16, "color": color},
            name=f"in {name} it would take",
        )
    cut = [at for at, layer in enumerate(layers) if at and layer.precision != layers[at - 1].precision]
    figure.add_bar(
        x=[titles[at] for at in cut],
        y=[max(1e3 * layers[at].boundary_ms, 0.0) for at in cut],
        name="boundary before it",
        marker_color=ORANGE,
    )
    for at in cut:
        figure.add_vline(x=at - 0.5, line={"color": RED, "width": 1, "dash": "dot"})
    figure.update_layout(
        layout(420, barmode="stack", yaxis=axis("µs"), xaxis=axis(categoryorder="array", categoryarray=titles))
    )
    note = "Each bar is an op in the precision that it has; dotted lines are boundaries between precisions."
    boundaries = "1 boundary" if len(cut) == 1 else f"{len(cut)} boundaries"
    return card(f"{result.winner}, {boundaries}", paragraph(note), embed(figure))


def _ms(layer: LayerPolicy, precision: str) -> float:
    return layer.ms[layer.precisions.index(precision)]


def _layers(layers: Sequence[LayerPolicy]) -> Html:
    names = list(dict.fromkeys(name for layer in layers for name in layer.precisions))
    rows = []
    for number, layer in enumerate(layers, 1):
        known = dict(zip(layer.precisions, zip(layer.ms, layer.divergences, strict=True), strict=True))
        cells = [_cell(known.get(name)) for name in names]
        rows.append((str(number), layer.op, layer.precision, *cells, digits(1e3 * layer.boundary_ms)))
    note = (
        "For each precision, the µs that the op adds to a network, and the divergence of the outputs (in 1/1000 nats) "
        "when this op alone has it. The last column is what the op and the one before it cost together."
    )
    columns = ("", "op", "precision", *names, "boundary, µs")
    return join([paragraph(note), table(columns, rows, text_columns=3)])


def _cell(found: tuple[float, float] | None) -> str:
    return ABSENT if found is None else f"{digits(1e3 * found[0])} µs, {digits(1e3 * found[1])}"


def _files(result: QuantizeResult) -> Html:
    rows = [_row(name, one, result) for name, one in result.variants.items()]
    metric = result.metric
    columns = ("file", "predicted, ms", "measured, ms", "error", "size, MB", "simulated", metric.title, "judged")
    note = (
        f"{metric.heading} is that of the file, run on test images; simulated, of the network that it was written "
        "from. Judged: on training images, before the policy was trained."
    )
    return join([paragraph(note), table(columns, rows)])


def _row(name: str, one: Variant, result: QuantizeResult) -> tuple[str, ...]:
    error = None if not one.measured_ms else 100 * (one.predicted_ms / one.measured_ms - 1)
    cells = (
        f"{name} (winner)" if name == result.winner else name,
        digits(one.predicted_ms),
        digits(one.measured_ms) if one.measured_ms else ABSENT,
        ABSENT if error is None else f"{error:+.1f} %",
        digits(one.size_mb),
    )
    scores = (one.simulated_score, one.score, result.judged_scores.get(name))
    return (*cells, *(_score(result, value) or ABSENT for value in scores))
