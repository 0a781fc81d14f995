"""Coverage: the share of measurements that intervals hold."""

from __future__ import annotations

import numpy as np

from latkit._io.arrays import Floats


def coverage_percent(intervals: Floats, measured: Floats) -> float:
    """The percentage of single measurements inside their network's interval.

    `intervals`: lower and upper bounds, shape (networks, 2). `measured`, shape (networks, measurements), in the same
    unit: a mean of several would vary less than the measurements that an interval is for.
    """
    inside = (intervals[:, :1] <= measured) & (measured <= intervals[:, 1:])
    return float(100 * np.mean(inside))
