"""Calibration: from ops measured alone to whole networks. The error of op sums is learned from a few networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from latkit._io.arrays import Floats
from latkit.latency_models.bounds import Count, Factor, LogError, RelativeError, Seconds, SecondsEither, SecondsPerUnit
from latkit.latency_models.calibration.conformal import CONFIDENCE, MIN_ERRORS, half_width
from latkit.latency_models.calibration.terms import MIN_NETWORKS, NetworkParts, fit_terms

CURVE = (0, 1, 2, 5, 10, 20, 50)
"""Numbers of calibration networks at which the error on other networks is reported."""

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
    """Latency of a network = base_s + scale x sum of its ops' latencies, each without the runtime's fixed cost
    + weight_s_per_byte x bytes of its weights + per_op_s x number of its ops.

    Ops measured alone find their data in the cache and are not fused with their neighbors. In a network the weights of
    an op have left the cache since the last inference; `scale` corrects for everything else.
    docs/concepts/latency-models.md lists the other forms that were tried.
    """

    base_s: Seconds
    scale: Factor = 1.0
    relative_error: RelativeError | None = None
    """Standard deviation of the relative error on networks left out of the fit; None for fewer than three networks."""
    networks: Count = 0
    errors: tuple[LogError, ...] = ()
    """log(predicted / measured) of each network when it was left out, at each time that it was measured; empty in files
    of format 1."""
    curve: tuple[CurvePoint, ...] = ()
    """Calibration error by the number of networks measured."""
    conversion_scale: Factor | None = None
    """The scale of conversions between precisions, which may be greater than that of ops: the buffers of the other
    precision are no longer in the cache when it is their turn. None where no networks with conversions were measured:
    then `scale` applies to them."""
    weight_s_per_byte: SecondsPerUnit = 0.0
    """Seconds that a byte of an op's weights adds in a network: they are read from memory or a slower cache."""

    per_op_s: SecondsEither = 0.0
    """Seconds that each op adds in a network; negative where an op alone pays for what neighbors in a network share, as
    for bringing a tensor into a runtime's own layout."""

    def to_json(self) -> dict[str, Any]:
        """As a JSON document, without the terms that were not fitted."""
        document = asdict(self)
        if self.conversion_scale is None:
            del document["conversion_scale"]
        for name in ("weight_s_per_byte", "per_op_s"):
            if not document[name]:
                del document[name]
        return document

    def op_seconds(self, op_s: float, weight_bytes: int) -> float:
        """What an op that takes `op_s` alone adds to a network's latency, in seconds."""
        return max(self.scale * op_s + self.weight_s_per_byte * weight_bytes + self.per_op_s, 0.0)

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

    @property
    def log_scatter(self) -> float | None:
        """Half the width of a network's 90 % interval, as a logarithm, where the common error of the networks of its
        time is known: the interval of their differences alone. None where it is unknown.
        """
        if not self.errors or not self.networks or len(self.errors) % self.networks:
            return None
        errors = np.array(self.errors).reshape(-1, self.networks)
        return half_width((errors - np.median(errors, axis=1, keepdims=True)).ravel())


def fit_calibration(parts: NetworkParts, measured_s: Sequence[float] | Floats, fixed_s: float) -> Calibration:
    """Calibrate what networks are made of on their measured latencies, in seconds; `fixed_s` is the fixed cost.

    `measured_s` has the shape (networks,), or (times, networks) where all of them were measured several times. The
    networks of one space are too similar to separate a base from a scale, so the base is the fixed cost. With fewer
    than six networks only the scale is fitted, as the median of the networks' own scales; see `fit_terms`.
    """
    if not len(parts):
        return Calibration(fixed_s)
    times = np.atleast_2d(np.array(measured_s))
    measured = times.mean(axis=0)
    above = measured - fixed_s
    scale, conversion_scale, weight_s_per_byte, per_op_s = map(float, fit_terms(parts, above))
    fitted = {
        "networks": len(parts),
        "curve": _curve(parts, measured, fixed_s),
        "conversion_scale": conversion_scale if parts.conversions_s.any() and len(parts) >= MIN_NETWORKS else None,
        "weight_s_per_byte": weight_s_per_byte,
        "per_op_s": per_op_s,
    }
    if len(parts) < MIN_ERRORS:
        return Calibration(fixed_s, scale, **fitted)  # type: ignore[arg-type]
    errors = _left_out_errors(parts, times, fixed_s)
    spread = float(np.sqrt(np.mean(np.expm1(errors) ** 2)))
    return Calibration(fixed_s, scale, spread, errors=tuple(errors.tolist()), **fitted)  # type: ignore[arg-type]


def _left_out_errors(parts: NetworkParts, times: Floats, fixed_s: float) -> Floats:
    """log(predicted / measured) of every network at every time, by a fit on the others at the other times.

    A device's caches and memory are faster at one time than at another, which its reference is too small to notice: all
    networks of one time deviate together. A prediction is compared with a measurement at a time of its own.
    """
    columns, errors = parts.array(), []
    everyone = np.arange(len(parts))
    for time, measured in enumerate(times):
        fitted_on = (np.delete(times, time, axis=0) if len(times) > 1 else times).mean(axis=0) - fixed_s
        for index in everyone:
            others = everyone != index
            terms = fit_terms(parts.of(others), fitted_on[others])
            errors.append(math.log((fixed_s + columns[index] @ terms) / measured[index]))
    return np.array(errors)


def _curve(parts: NetworkParts, measured: Floats, fixed_s: float) -> tuple[CurvePoint, ...]:
    """Error on the remaining networks for random calibration sets; at least one network remains."""
    rng, columns = np.random.default_rng(0), parts.array()
    points = []
    for count in (count for count in CURVE if count < len(parts)):
        errors = []
        for order in np.argsort(rng.random((DRAWS, len(parts))), axis=1):
            fitted, judged = order[:count], order[count:]
            terms = fit_terms(parts.of(fitted), measured[fitted] - fixed_s) if count else np.array([1.0, 1.0, 0.0, 0.0])
            errors.append(np.abs((fixed_s + columns[judged] @ terms) / measured[judged] - 1))
        joined = np.concatenate(errors)
        points.append(CurvePoint(count, float(joined.mean()), float((joined <= 0.05).mean())))
    return tuple(points)
