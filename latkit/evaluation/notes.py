"""Notes for the reader about a derived network's measurement on its target."""

from __future__ import annotations

from latkit.evaluation.validation import AGREEMENT, MeasuredNetwork
from latkit.search.records.result import SearchResult

MAX_ERROR = 0.05
"""A measured latency is expected to lie within this share of the prediction."""


def measured_notes(result: SearchResult, measured: MeasuredNetwork) -> tuple[str, ...]:
    """Notes for a network that takes more than 5 % more or less than predicted, or more than the target.

    Also for one of which no two measurements agreed.
    """
    notes: list[str] = []
    taken_s, target = measured.network.measured_ms / 1e3, measured.target
    off, over = taken_s / result.predicted_latency_s - 1, taken_s / result.target_latency_s - 1
    if max(abs(off), over) > MAX_ERROR:
        notes.append(
            f"measured {1e3 * taken_s:.4g} ms: {off:+.1%} from the prediction, {over:+.1%} from the target; "
            "the network was not changed. More networks calibrate the model for the next search: "
            f"latkit collect space {target} --space {result.space} --networks N, then latkit fit {target}"
        )
    min_ms, max_ms = sorted((measured.network.first_ms, measured.network.second_ms))
    if max_ms > (1 + AGREEMENT) * min_ms:
        notes.append(f"measured twice, it took {min_ms:.4g} ms and {max_ms:.4g} ms: the device was not idle")
    return tuple(notes)
