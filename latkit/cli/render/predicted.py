"""How a predicted latency is shown: with its interval, or with a note that it has none."""

from __future__ import annotations

from latkit.cli.console import emit_json, note, show_facts
from latkit.evaluation.validation import Validation
from latkit.timing import Estimate


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


def show_validation(validation: Validation, *, as_json: bool) -> None:
    """Predicted against measured: the whole record as JSON, or its figures for people."""
    if as_json:
        emit_json(validation.model_dump(mode="json"))
        return
    for reason in validation.left_out:
        note(f"left out: {reason}")
    figures = validation.model_dump(mode="json", exclude={"results", "left_out"})
    show_facts(f"{validation.target}: predicted against measured", figures)
