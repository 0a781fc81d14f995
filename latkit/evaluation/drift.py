"""Drift: how much slower networks run now than when a model was calibrated on them, and errors apart from it.

Caches and memory of a device are faster at one time than at another: other machines on the same host use them too. The
reference of a round is too small to show it. Networks of the calibration, measured again among the others, do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from latkit._io.arrays import Floats
from latkit.errors import NotMeasured
from latkit.evaluation.coverage import coverage_percent
from latkit.latency_models import AdditiveModel
from latkit.ops import Network
from latkit.timing import Measurement

MAX_VALUE = 1e12
Finite = Annotated[float, Field(ge=-MAX_VALUE, le=MAX_VALUE, allow_inf_nan=False)]


class Drift(BaseModel):
    """The drift since a calibration, and the figures of a validation whose predictions are corrected for it."""

    model_config = ConfigDict(extra="forbid")
    networks: int
    """Networks of the calibration that were measured again."""
    percent: Finite
    """How much longer they take now: the median."""
    mape_percent: Finite
    within_5_percent: Finite
    within_10_percent: Finite
    interval_coverage_percent: Finite | None
    """By intervals without the part that drift has in them; None where the model has none."""

    def columns(self) -> dict[str, float | None]:
        """The drift and the figures apart from it, by the names that they have beside those with it."""
        figures = self.model_dump(exclude={"networks", "percent"})
        return {"drift_percent": self.percent, **{f"{name}_without_drift": value for name, value in figures.items()}}

    @classmethod
    def of(cls, model: AdditiveModel, drifts: Sequence[float], predicted: Floats, measured: Floats) -> Self:
        """`drifts`: log(latency now / latency then) of each network. `predicted`: shape (networks,); `measured`: shape
        (networks, measurements), in the same unit."""
        drift = median(drifts)
        absolute = np.abs(np.expm1(np.log(predicted / measured.mean(axis=1)) + drift))
        half_width = model.calibration_.log_scatter
        covered = None
        if half_width is not None:
            bounds = np.exp(drift + half_width * np.array([-1.0, 1.0]))
            covered = coverage_percent(predicted[:, None] * bounds, measured)
        return cls(
            networks=len(drifts),
            percent=100 * math.expm1(drift),
            mape_percent=float(100 * absolute.mean()),
            within_5_percent=float(100 * np.mean(absolute <= 0.05)),
            within_10_percent=float(100 * np.mean(absolute <= 0.1)),
            interval_coverage_percent=covered,
        )


def drift_networks(model: AdditiveModel, measurements: Sequence[Measurement], count: int) -> dict[Network, float]:
    """Some networks that the model was calibrated on, from the fastest to the slowest, with their seconds then.

    Raises NotMeasured if it was calibrated on none of those measured.
    """
    found: dict[Network, list[float]] = {}
    for one in measurements:
        if isinstance(one.workload, Network) and one.workload.key in model.origin_.network_keys:
            found.setdefault(one.workload, []).append(model.seconds_of(one))
    seconds = {network: fmean(times) for network, times in found.items()}
    ordered = sorted(seconds, key=lambda network: (seconds[network], network.key))
    if not ordered:
        raise NotMeasured("the model was calibrated on no networks: their drift is not known")
    places = np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int)
    return {ordered[place]: seconds[ordered[place]] for place in places}


def log_drifts(then_s: Mapping[Network, float], now_s: Mapping[str, float]) -> list[float]:
    """log(latency now / latency then) of every network that was measured now; `now_s` by key, in seconds."""
    return [math.log(now_s[network.key] / seconds) for network, seconds in then_s.items() if network.key in now_s]
