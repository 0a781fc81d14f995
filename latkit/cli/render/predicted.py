"""How a predicted latency is shown: with its interval, or with a note that it has none."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from latkit._io import one_line
from latkit.cli.console import Cell, emit_json, note, say, show_facts, show_table
from latkit.evaluation.measured import MeasuredLatency
from latkit.evaluation.validation import Validation
from latkit.latency_models.kernels import Prediction
from latkit.timing import Estimate
from latkit.workspace.models.predict import GraphPrediction, NetworkPrediction
from latkit.workspace.profiling.external_models import input_shapes, shown_inputs
from latkit.workspace.requests import PredictRequest

MAX_SHOWN_KERNELS = 30
"""A terminal shows this many kernels, the slowest ones; --json has all of them."""


MAX_NAME_CHARS = 32


def latency_document(predicted: Estimate) -> dict[str, float | None]:
    """The latency in milliseconds with the bounds of its 90 % interval; null where there is no interval."""
    low_ms, high_ms = (1e3 * bound for bound in predicted.interval) if predicted.interval else (None, None)
    return {"latency_ms": 1e3 * predicted.seconds, "low_ms": low_ms, "high_ms": high_ms}


def latency_line(predicted: Estimate) -> str:
    """The same for people."""
    milliseconds = f"{1e3 * predicted.seconds:.3f} ms"
    if predicted.interval is None:
        return f"{milliseconds} (no interval is known: the table gives no spread of some of these ops)"
    low_ms, high_ms = (1e3 * bound for bound in predicted.interval)
    return f"{milliseconds} (90 % interval {low_ms:.3f} to {high_ms:.3f} ms)"


def measured_document(measured: MeasuredLatency | None) -> dict[str, Any]:
    """The measured latency, before the prediction; nothing where it was not measured."""
    if measured is None:
        return {}
    return {
        "measured": {
            **latency_document(measured.latency),
            "as": measured.source,
            "at": measured.at.isoformat(timespec="seconds"),
        }
    }


def _say_latency(predicted: Estimate, measured: MeasuredLatency | None) -> None:
    """The measured latency first, where there is one, and the prediction second."""
    if measured is None:
        say(latency_line(predicted))
        return
    say(_measured_line(measured))
    say(f"predicted: {latency_line(predicted)}")


def _measured_line(measured: MeasuredLatency) -> str:
    return f"measured as a {measured.source} on {measured.at:%Y-%m-%d}: {latency_line(measured.latency)}"


def _short(names: Sequence[str]) -> str:
    """Names of nodes for a table: the ends of paths, which tell most."""
    first = one_line(names[0]) if names else ""
    first = first if len(first) <= MAX_NAME_CHARS else f"…{first[-MAX_NAME_CHARS:]}"
    return f"{first} +{len(names) - 1}" if len(names) > 1 else first


def show_validation(validation: Validation, *, as_json: bool) -> None:
    """Predicted against measured: the whole record as JSON, or its figures for people."""
    if as_json:
        emit_json(validation.model_dump(mode="json"))
        return
    for reason in validation.left_out:
        note(f"left out: {reason}")
    figures = validation.model_dump(mode="json", exclude={"results", "left_out", "drift"})
    figures |= validation.drift.columns() if validation.drift else {}
    show_facts(f"{validation.target}: predicted against measured", figures)


def show_prediction(request: PredictRequest, found: NetworkPrediction | GraphPrediction, *, as_json: bool) -> None:
    """How long a network takes, and what each of its ops or kernels adds."""
    if isinstance(found, GraphPrediction):
        _show_graph(request, found, as_json)
    else:
        _show_network(request, found, as_json)


def _show_network(request: PredictRequest, found: NetworkPrediction, as_json: bool) -> None:
    network, origin, target = found.network, found.model.origin_, request.target
    layers: list[dict[str, Cell]] = [
        {
            "op": op.title,
            "macs": op.macs,
            "adds_ms": 1e3 * added,
            "share_percent": 100 * added / found.latency.seconds if found.latency.seconds else None,
        }
        for op, added in zip(network.ops, found.layer_s, strict=True)
    ]
    if as_json:
        emit_json(
            {
                "target": str(target),
                "network": network.title,
                "model": request.model,
                **measured_document(found.measured),
                **latency_document(found.latency),
                "imported": origin.imported,
                "emulated": origin.environment.emulated,
                "macs": network.macs,
                "parameters": network.parameters,
                "inputs": {"input": [target.batch, *network.input_shape]},
                "layers": layers,
            }
        )
        return
    show_table(f"{network.title} on {target}", layers)
    _say_latency(found.latency, found.measured)
    if origin.imported:
        note(f"not measured here, but imported from {origin.imported}")
    if origin.environment.emulated:
        note(f"{target.device} is emulated: this is no phone's latency")


def _show_graph(request: PredictRequest, found: GraphPrediction, as_json: bool) -> None:
    graph, target, file = found.graph, request.target, request.network
    if as_json:
        network = {"target": str(target), "network": file.stem, "model": "kernels"}
        emit_json({**network, **graph_document(found)})
        return
    if found.prediction is None:
        assert found.measured is not None
        say(_measured_line(found.measured))
        return
    _say_latency(found.prediction, found.measured)
    if graph is not None:
        say(f"for inputs of {shown_inputs(graph)}")
    show_kernels(f"{file.stem} on {target}", found.prediction, MAX_SHOWN_KERNELS)
    if few := found.prediction.few_measured:
        note(
            f"few kernels of these kinds were measured, so the interval is wide: {', '.join(few)}; "
            f"measure this network's own with: latkit collect model {target} {shlex.quote(str(file))}"
        )


def graph_document(found: GraphPrediction) -> dict[str, Any]:
    """An external network's latencies and kernels: the measured latency first."""
    graph, predicted = found.graph, found.prediction
    return {
        **measured_document(found.measured),
        **(latency_document(predicted) if predicted else dict.fromkeys(_LATENCY_FIELDS)),
        "macs": graph.macs if graph else None,
        "parameters": graph.parameters if graph else None,
        "inputs": input_shapes(graph) if graph else {},
        "few_measured": list(predicted.few_measured) if predicted else [],
        "kernels": _kernel_rows(predicted, names_in_full=True),
    }


def show_kernels(title: str, predicted: Prediction, max_shown: int) -> None:
    """The slowest kernels with the names and shapes of their nodes."""
    rows = _kernel_rows(predicted, names_in_full=False)
    slowest = sorted(rows, key=lambda row: -float(row["adds_ms"] or 0))[:max_shown]
    show_table(f"{title}: {len(slowest)} of {len(rows)} kernels", slowest)


def latency_lines(found: GraphPrediction) -> list[str]:
    """The measured latency first, where there is one, and the prediction second."""
    measured = [] if found.measured is None else [_measured_line(found.measured)]
    return [*measured, *([] if found.prediction is None else [f"predicted: {latency_line(found.prediction)}"])]


_LATENCY_FIELDS = ("latency_ms", "low_ms", "high_ms")


def _kernel_rows(predicted: Prediction | None, *, names_in_full: bool) -> list[dict[str, Any]]:
    """The kernels with the names of their nodes and the shape that they give."""
    return [
        {
            "kernel": row.kind,
            "macs": row.macs,
            "bytes": row.bytes,
            "adds_ms": 1e3 * row.seconds,
            "share_percent": 100 * row.share,
            "known": row.known,
            "output": "x".join(map(str, row.output_shape)),
            "nodes": list(row.nodes) if names_in_full else _short(row.nodes),
        }
        for row in (predicted.kernels if predicted else ())
    ]
