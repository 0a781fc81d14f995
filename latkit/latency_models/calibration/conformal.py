"""Conformal intervals with the stated coverage: widths come from errors on data left out of a fit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from latkit._io.arrays import Floats
from latkit.timing import Estimate

CONFIDENCE = 0.9
"""Coverage of intervals: this share of the measured latencies lies inside."""

MIN_ERRORS = 3
"""With fewer errors no interval is given."""


def half_width(errors: Sequence[float] | Floats, confidence: float = CONFIDENCE) -> float | None:
    """Maximum error of the next prediction, with that confidence; None for fewer than three errors.

    `errors`, shape (n,), are log(predicted / measured), or relative errors, each of a prediction that did not use its
    measurement. Conformal prediction (Lei et al. 2018, section 2.2; jackknife where one at a time was left out): the
    error at rank (n + 1) x confidence of all, interpolated between ranks, for any distribution. Where that rank is
    beyond the largest (n < 9 for 90 %) errors are assumed normal: Student's t, times the root of the mean square.
    """
    sizes = np.sort(np.abs(np.asarray(errors, dtype=np.float64)))
    if len(sizes) < MIN_ERRORS:
        return None
    if (len(sizes) + 1) * confidence > len(sizes):
        from scipy import stats  # takes a second to import

        return float(stats.t.ppf((1 + confidence) / 2, len(sizes) - 1) * np.sqrt((sizes**2).mean()))
    return float(np.quantile(sizes, confidence, method="weibull"))


def around(seconds: float, log_half_width: float) -> Estimate:
    """The interval of a prediction whose logarithm has at most this error."""
    factor = math.exp(log_half_width)
    return Estimate(seconds, seconds / factor, seconds * factor)
