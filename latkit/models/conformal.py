"""Intervals that hold the share they claim: widths taken from errors on what was left out of a fit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from latkit.timing import Estimate

Floats = NDArray[np.float64]

CONFIDENCE = 0.9
"""Intervals are meant to hold this share of the measured latencies."""

MIN_ERRORS = 3
"""From fewer errors there is no telling how far a prediction is off."""


def half_width(errors: Sequence[float] | Floats, confidence: float = CONFIDENCE) -> float | None:
    """How far the next prediction is off at most, with that confidence; None from fewer than three errors.

    `errors`, shape (n,), are log(predicted / measured), or relative errors, each of a prediction that had not seen its
    measurement. Conformal prediction (Lei et al. 2018, section 2.2; jackknife where one at a time was left out): the
    error at rank (n + 1) x confidence of all, between ranks interpolated, whatever their distribution. Where that rank
    lies beyond the largest (n < 9 for 90 %) errors are taken to be normal: Student's t, times the root of the mean
    square.
    """
    sizes = np.sort(np.abs(np.asarray(errors, dtype=np.float64)))
    if len(sizes) < MIN_ERRORS:
        return None
    if (len(sizes) + 1) * confidence > len(sizes):
        return float(stats.t.ppf((1 + confidence) / 2, len(sizes) - 1) * np.sqrt((sizes**2).mean()))
    return float(np.quantile(sizes, confidence, method="weibull"))


def around(seconds: float, log_half_width: float) -> Estimate:
    """The interval of a prediction whose logarithm is off by at most so much."""
    factor = math.exp(log_half_width)
    return Estimate(seconds, seconds / factor, seconds * factor)
