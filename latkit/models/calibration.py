"""From ops measured alone to whole networks: what a sum of ops gets wrong, learned from a few networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

CONFIDENCE = 0.9
"""Intervals are meant to hold this share of the measured latencies."""

FEWEST_NETWORKS = 3
"""With fewer networks there is no telling how far a prediction is off."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Latency of a network = base_s + scale x sum of its ops' latencies, each without the runtime's fixed cost.

    Ops measured alone find their data in the cache and are not fused with their neighbours; `scale` holds what that
    changes. `relative_error` is the standard deviation of the relative error on networks left out of the fit;
    None where fewer than three networks were measured.
    """

    base_s: float
    scale: float = 1.0
    relative_error: float | None = None
    networks: int = 0

    def seconds(self, op_sum_s: float) -> float:
        """Latency of a network whose ops sum to `op_sum_s`, in seconds."""
        return self.base_s + self.scale * op_sum_s

    @property
    def relative_half_width(self) -> float | None:
        """Half the width of a network's 90 % interval, relative to its latency; None where that is not known."""
        if self.relative_error is None:
            return None
        quantile = stats.t.ppf((1 + CONFIDENCE) / 2, self.networks - 1)
        return float(quantile * self.relative_error * np.sqrt(1 + 1 / self.networks))


def fit_calibration(op_sums_s: Sequence[float], measured_s: Sequence[float], fixed_s: float) -> Calibration:
    """Calibrate sums of ops, in seconds, on measured networks, in seconds; `fixed_s` is what running anything costs.

    The networks of one space lie too close together to tell a base from a scale, so the base is the fixed cost and
    only the scale is fitted. It is the median of the networks' own scales: one disturbed network does not move it.
    """
    sums, measured = np.array(op_sums_s), np.array(measured_s)
    if not len(sums):
        return Calibration(fixed_s)
    scales = (measured - fixed_s) / sums
    scale = float(np.median(scales))
    if len(sums) < FEWEST_NETWORKS:
        return Calibration(fixed_s, scale, None, len(sums))
    left_out = np.array([np.median(np.delete(scales, index)) for index in range(len(sums))])
    errors = (fixed_s + left_out * sums) / measured - 1
    return Calibration(fixed_s, scale, float(np.sqrt(np.mean(errors**2))), len(sums))
