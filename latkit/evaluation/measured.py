"""Whole networks that were measured: their latency, which a prediction does not replace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from latkit.graphs import Graph, ModelFile
from latkit.ops import Network
from latkit.timing import Estimate, Measurement, estimate, reference_seconds


@dataclass(frozen=True, slots=True)
class MeasuredLatency:
    """The latency of a whole network, measured on a target."""

    latency: Estimate
    source: Literal["workload", "profile"]
    """What was measured: the network with latkit's own weights, or the file itself."""
    at: datetime
    """Time of its last round, in UTC."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """The content of a model file, and the shapes of its inputs; whatever the inputs' values."""

    sha256: str
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, model: ModelFile) -> FileContent:
        """That of a file's record."""
        return cls(model.sha256, tuple(tensor.shape for tensor in model.inputs))


def latest_latency(
    measurements: Sequence[Measurement], workload: Network | Graph | None, content: FileContent | None
) -> MeasuredLatency | None:
    """The latest measurement of a network, or of its file, among those of one environment; None without one.

    The file itself comes before the same network with generated weights.
    """
    as_file = [
        one for one in measurements if isinstance(one.workload, ModelFile) and FileContent.of(one.workload) == content
    ]
    found = as_file or [one for one in measurements if one.workload == workload]
    if not found:
        return None
    latest = max(found, key=last_round_at)
    return MeasuredLatency(
        estimate(latest, reference_seconds([latest])),
        "profile" if as_file else "workload",
        datetime.fromtimestamp(last_round_at(latest), UTC),
    )


def last_round_at(measurement: Measurement) -> float:
    """When its last round began, in seconds since 1970; 0 without rounds."""
    return max((one_round.started_at for one_round in measurement.rounds), default=0.0)
