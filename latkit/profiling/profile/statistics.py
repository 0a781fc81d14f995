"""Statistics of raw samples, in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latkit.profiling.profile.records import LatencyStatistics
from latkit.timing import Measurement, estimate, reference_seconds
from latkit.timing.estimators import resamples


def hot_statistics(measurement: Measurement) -> LatencyStatistics:
    """Of all timed runs of a measurement. The mean's interval is a bootstrap over rounds, with 90 % between."""
    rounds = [np.asarray(one_round.wall_ns, dtype=np.float64) / 1e6 for one_round in measurement.rounds]
    sums, counts = np.array([r.sum() for r in rounds]), np.array([len(r) for r in rounds])
    drawn = resamples(len(rounds))
    low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [0.05, 0.95])
    found = estimate(measurement, reference_seconds([measurement]))
    return statistics_of(np.concatenate(rounds)).model_copy(
        update={
            "mean_low": float(low),
            "mean_high": float(high),
            "estimate": 1e3 * found.seconds,
            "low": None if found.low_s is None else 1e3 * found.low_s,
            "high": None if found.high_s is None else 1e3 * found.high_s,
            "rounds": len(rounds),
        }
    )


def statistics_of(
    milliseconds: Sequence[float] | np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> LatencyStatistics:
    """Of runs of one kind."""
    values = np.asarray(milliseconds, dtype=np.float64)
    p50, p90, p99 = (float(value) for value in np.quantile(values, [0.5, 0.9, 0.99]))
    return LatencyStatistics(
        min=float(values.min()), p50=p50, p90=p90, p99=p99, mean=float(values.mean()), runs=len(values)
    )
