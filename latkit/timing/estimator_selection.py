"""Selects the estimator for a device: the one for which two halves of the same measurement agree best.

The kind of noise decides what is known about a short run. If the device has one speed that other processes disturb, the
fastest run of all rounds is the undisturbed latency, and repeats within 0.1 %. If its speed moves in steps, as on a
processor whose clock follows its neighbors, the fastest run and the fastest reference run may come from different
steps. Then the ratio of each round to its own reference repeats far better. The samples show which case applies.
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
"""The default estimator is selected only if its halves differ by at most this share of the difference with `steady`. It
assumes a speed that the device always returns to, which may hold today and not tomorrow.
"""

MIN_ROUNDS = 4
"""With fewer rounds, half of a measurement is too small."""


def select_estimator(measurements: Sequence[Measurement]) -> str:
    """The estimator for a target from its measurements: the default if its halves agree clearly better, else `steady`.

    Raises NotMeasured if there is no round.
    """
    agrees = halves_differ(measurements, DEFAULT_ESTIMATOR) <= MAX_RATIO * halves_differ(measurements, STEADY)
    return DEFAULT_ESTIMATOR if agrees else STEADY


def halves_differ(measurements: Sequence[Measurement], estimator: str) -> float:
    """Mean absolute log ratio between two halves of the same measurement; 0 if none can be halved.

    Raises NotMeasured if there is no round.
    """
    reference_s = reference_seconds(measurements)

    def seconds(half: Measurement) -> float:
        return float(ESTIMATORS[estimator](half, reference_s, np.arange(len(half.rounds))[None])[0])

    halved = [halves(each) for each in measurements if len(each.rounds) >= MIN_ROUNDS]
    return fmean(abs(math.log(seconds(one) / seconds(other))) for one, other in halved) if halved else 0.0


def halves(measurement: Measurement) -> tuple[Measurement, Measurement]:
    """The even and the odd rounds of a measurement: both halves sample its whole duration."""
    return (
        replace(measurement, rounds=measurement.rounds[::2]),
        replace(measurement, rounds=measurement.rounds[1::2]),
    )
