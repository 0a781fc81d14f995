"""Which estimator suits a device: the one by which two halves of the same measurement agree.

How a device is disturbed decides what can be known of a short run. Where it has one speed that others disturb, the
fastest run of all visits is what it can do, and repeats to a thousandth. Where its speed moves in steps, as that of a
processor whose clock follows its neighbours, the fastest run may be of one step and the fastest reference of another:
then what every visit says in units of its own reference repeats far better. Samples tell which.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from latkit.timing.estimators import DEFAULT_ESTIMATOR, ESTIMATORS, reference_seconds
from latkit.timing.measurement import Measurement

STEADY = "steady"
"""The estimator for devices whose speed moves in steps."""

MAX_RATIO = 0.6
"""By the default one, halves must differ by no more than this share of what they differ by `steady`: it trusts in a
speed that the device always comes back to, and what seems so today may not hold for what is measured tomorrow."""

MIN_ROUNDS = 4
"""With fewer, a half is hardly a measurement."""


def select_estimator(measurements: Sequence[Measurement]) -> str:
    """The estimator for a target by its measurements: the default one where it agrees clearly better, else `steady`.

    Raises NotMeasured where there is no visit.
    """
    agrees = halves_differ(measurements, DEFAULT_ESTIMATOR) <= MAX_RATIO * halves_differ(measurements, STEADY)
    return DEFAULT_ESTIMATOR if agrees else STEADY


def halves_differ(measurements: Sequence[Measurement], estimator: str) -> float:
    """Mean difference between two halves of the same measurement, as a logarithm; 0 where none can be halved.

    Raises NotMeasured where there is no visit.
    """
    reference_s = reference_seconds(measurements)

    def seconds(half: Measurement) -> float:
        return float(ESTIMATORS[estimator](half, reference_s, np.arange(len(half.rounds))[None])[0])

    halved = [halves(each) for each in measurements if len(each.rounds) >= MIN_ROUNDS]
    return fmean(abs(math.log(seconds(one) / seconds(other))) for one, other in halved) if halved else 0.0


def halves(measurement: Measurement) -> tuple[Measurement, Measurement]:
    """Every other visit, and those between them: both sample all of the time that the measurement took."""
    return (
        replace(measurement, rounds=measurement.rounds[::2]),
        replace(measurement, rounds=measurement.rounds[1::2]),
    )
