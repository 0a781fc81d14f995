"""Which estimator suits a device: the one by which two halves of the same measurement agree.

How a device is disturbed decides what can be known of a short run. Where it has one speed that others disturb, the
fastest run of all visits is what it can do, and repeats to a thousandth. Where its speed moves in steps, as that of a
processor whose clock follows its neighbours, the fastest run may be of one step and the fastest reference of another:
then what every visit says in units of its own reference repeats far better. Samples tell which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from latkit.timing.estimators import DEFAULT_ESTIMATOR, ESTIMATORS, reference_seconds
from latkit.timing.measurement import Measurement

OTHERS = ("steady",)
"""Estimators that may take the default one's place."""

CLEARLY = 0.8
"""They do where halves differ by less than this share of what they differ by the default one."""

FEWEST_VISITS = 4
"""With fewer, a half is hardly a measurement."""


def suited_estimator(measurements: Sequence[Measurement]) -> str:
    """The estimator for a target by its measurements: the default one, unless another agrees clearly better.

    Raises NotMeasured where there is no visit.
    """
    reference_s = reference_seconds(measurements)
    halved = [halves(each) for each in measurements if len(each.visits) >= FEWEST_VISITS]
    if not halved:
        return DEFAULT_ESTIMATOR
    least = CLEARLY * _difference(halved, DEFAULT_ESTIMATOR, reference_s)
    best, difference = min(
        ((other, _difference(halved, other, reference_s)) for other in OTHERS), key=lambda pair: pair[1]
    )
    return best if difference < least else DEFAULT_ESTIMATOR


def halves(measurement: Measurement) -> tuple[Measurement, Measurement]:
    """Every other visit, and those between them: both sample all of the time that the measurement took."""
    return (
        replace(measurement, visits=measurement.visits[::2]),
        replace(measurement, visits=measurement.visits[1::2]),
    )


def _difference(halved: Sequence[tuple[Measurement, Measurement]], name: str, reference_s: float) -> float:
    """Mean difference between two halves, as a logarithm."""
    return fmean(
        abs(float(np.log(_seconds(one, name, reference_s) / _seconds(other, name, reference_s))))
        for one, other in halved
    )


def _seconds(measurement: Measurement, name: str, reference_s: float) -> float:
    every = np.arange(len(measurement.visits))[None]
    return float(ESTIMATORS[name](measurement, reference_s, every)[0])
