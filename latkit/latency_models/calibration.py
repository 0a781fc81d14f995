"""Calibration: from ops measured alone to whole networks. The error of op sums is learned from a few networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from latkit._io.arrays import Bools, Floats
from latkit.latency_models.bounds import Count, Factor, LogError, RelativeError, Seconds
from latkit.latency_models.conformal import CONFIDENCE, MIN_ERRORS, half_width

CURVE = (0, 1, 2, 5, 10, 20, 50)
"""Numbers of calibration networks at which the error on other networks is reported."""

MIN_WITH_CONVERSIONS = 6
"""Minimum number of networks for a scale of conversions."""
CONVERSION_PRIOR = 1e-4
"""Weight of the preference for equal scales: the squared share of conversions in a network's latency, times networks,
at which the data count as much."""

DRAWS = 200
"""Number of draws per calibration size; seeded, so the same networks give the same curve."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Error of a calibration on a number of networks, on measured networks that it was not fitted on."""

    networks: Count
    mean_error: RelativeError
    """Mean relative error."""
    within_5: RelativeError
    """Share of networks predicted within 5 %."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Latency of a network = base_s + scale x sum of its ops' latencies, each without the runtime's fixed cost.

    Ops measured alone find their data in the cache and are not fused with their neighbors; `scale` corrects for both.
    `relative_error` is the standard deviation of the relative error on networks left out of the fit; None where fewer
    than three networks were measured. docs/concepts/latency-models.md lists the richer forms that were tried.
    """

    base_s: Seconds
    scale: Factor = 1.0
    relative_error: RelativeError | None = None
    networks: Count = 0
    errors: tuple[LogError, ...] = ()
    """log(predicted / measured) of each network when it was left out; empty in files of format 1."""
    curve: tuple[CurvePoint, ...] = ()
    """Calibration error by the number of networks measured."""
    conversion_scale: Factor | None = None
    """The scale of conversions between precisions, which is greater than that of ops: the buffers of the other
    precision are no longer in the cache when it is their turn. None where no networks with conversions were measured:
    then `scale` applies to them."""

    def to_json(self) -> dict[str, Any]:
        """As a JSON document, without a scale of conversions where there is none."""
        document = asdict(self)
        if self.conversion_scale is None:
            del document["conversion_scale"]
        return document

    def seconds(self, op_sum_s: float) -> float:
        """Latency of a network whose ops sum to `op_sum_s`, in seconds."""
        return self.base_s + self.scale * op_sum_s

    @property
    def relative_half_width(self) -> float | None:
        """Half the width of a network's 90 % interval, relative to its latency; None where it is unknown."""
        if self.errors or self.relative_error is None:
            width = half_width(self.errors)
            return None if width is None else math.expm1(width)
        if self.networks < 2:
            return None
        from scipy import stats  # takes a second to import

        return float(stats.t.ppf((1 + CONFIDENCE) / 2, self.networks - 1) * self.relative_error)


def fit_calibration(
    op_sums_s: Sequence[float], measured_s: Sequence[float], fixed_s: float, conversions_s: Sequence[float] = ()
) -> Calibration:
    """Calibrate sums of ops, in seconds, on measured networks, in seconds; `fixed_s` is the runtime's fixed cost.

    `conversions_s` are sums of the conversions between precisions in each network, which `op_sums_s` do not contain.

    The networks of one space are too similar to separate a base from a scale, so the base is the fixed cost and only
    the scale is fitted. It is the median of the networks' own scales, so one noisy network does not move it.
    """
    sums, measured = np.array(op_sums_s), np.array(measured_s)
    if len(sums) >= MIN_WITH_CONVERSIONS and any(conversions_s):
        return _with_conversions(sums, np.array(conversions_s), measured, fixed_s)
    sums = sums + np.array(conversions_s) if len(conversions_s) else sums
    if not len(sums):
        return Calibration(fixed_s)
    scales = (measured - fixed_s) / sums
    scale = float(np.median(scales))
    curve = _curve(sums, measured, fixed_s)
    if len(sums) < MIN_ERRORS:
        return Calibration(fixed_s, scale, None, len(sums), (), curve)
    left_out = np.array([np.median(np.delete(scales, index)) for index in range(len(sums))])
    errors = np.log((fixed_s + left_out * sums) / measured)
    spread = float(np.sqrt(np.mean(np.expm1(errors) ** 2)))
    return Calibration(fixed_s, scale, spread, len(sums), tuple(errors.tolist()), curve)


def _with_conversions(sums: Floats, conversions: Floats, measured: Floats, fixed_s: float) -> Calibration:
    """A scale of ops and one of conversions, with the errors of networks left out."""
    parts = np.stack([sums, conversions], axis=1)  # shape (networks, 2)
    above = measured - fixed_s
    everyone = np.arange(len(sums))
    left_out = np.array([_scales(parts, above, everyone != index) for index in everyone])
    errors = np.log((fixed_s + (left_out * parts).sum(axis=1)) / measured)
    spread = float(np.sqrt(np.mean(np.expm1(errors) ** 2)))
    scale, conversion_scale = map(float, _scales(parts, above, everyone >= 0))
    curve = _curve(sums + conversions, measured, fixed_s)
    return Calibration(fixed_s, scale, spread, len(sums), tuple(errors.tolist()), curve, conversion_scale)


def _scales(parts: Floats, above: Floats, used: Bools) -> Floats:
    """Both scales, shape (2,), with the least squared relative errors; that of conversions prefers that of all."""
    rows = parts[used] / above[used, None]
    rows[:, 0] += rows[:, 1]  # everything, and what conversions have beyond
    scale = float(np.median(1 / rows[:, 0]))
    change = np.linalg.solve(rows.T @ rows + np.diag([0, CONVERSION_PRIOR]), rows.T @ (1 - scale * rows[:, 0]))
    return np.array([scale + change[0], max(scale + change.sum(), 0.0)])


def _curve(sums: Floats, measured: Floats, fixed_s: float) -> tuple[CurvePoint, ...]:
    """Error on the remaining networks for random calibration sets; at least one network remains."""
    rng = np.random.default_rng(0)
    points = []
    for count in (count for count in CURVE if count < len(sums)):
        orders = np.argsort(rng.random((DRAWS, len(sums))), axis=1)
        fitted, judged = orders[:, :count], orders[:, count:]
        scales = np.median((measured[fitted] - fixed_s) / sums[fitted], axis=1) if count else np.ones(DRAWS)
        errors = np.abs((fixed_s + scales[:, None] * sums[judged]) / measured[judged] - 1)
        points.append(CurvePoint(count, float(errors.mean()), float((errors <= 0.05).mean())))
    return tuple(points)
