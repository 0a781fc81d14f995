"""The level of a long run: how long it takes while the device is quiet, by regression on the reference around it.

A run of many milliseconds is never undisturbed, but how much it was disturbed shows in the reference runs just before
and after it. A larger working set suffers more from its neighbours than the small reference does, and some subjects
suffer more than others; so with x = log(reference around the run / its fastest run) and y = log(run),

    y = level + slope x,

fitted robustly (Huber weights), the runs in quiet moments weighing most, and the slope drawn to `SLOPE` as by so many
runs that it is not led by noise where the device was equally fast all the time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latkit.timing.measurement import Round
from latkit.timing.rounds import reference_min_s, round_blocks

Floats = NDArray[np.float64]

SLOPE = 1.2
"""How much more a long subject slows down than the reference, where nothing else is known."""
SLOPE_WEIGHT = 0.3
"""How firmly that is believed, in the unit of the sum of squared x: some 30 runs on a device at half speed."""
MEMORY = 0.1
"""A run weighs 1/e of a quiet one where the reference around it was so much slower, as a logarithm."""
HUBER = 1.5
"""Residuals beyond so many standard deviations weigh less."""
ROUNDS = 10


def level_in_references(rounds: Sequence[Round], use_cpu_time: bool, drawn: NDArray[np.int64]) -> Floats:
    """The level in units of the fastest reference run of all visits, by each draw of visits; shape (draws,).

    `drawn`: indices of visits, shape (draws, visits); a visit that is drawn twice counts twice.
    """
    blocks = [round_blocks(one_round, use_cpu_time) for one_round in rounds]
    fastest_s = min(reference_min_s(one_round, use_cpu_time) for one_round in rounds)
    y = np.log(np.concatenate([runs for runs, _ in blocks]) / fastest_s)
    x = np.log(np.concatenate([around for _, around in blocks]) / fastest_s)
    round_of = np.repeat(np.arange(len(rounds)), [len(runs) for runs, _ in blocks])
    times = (drawn[:, :, None] == np.arange(len(rounds))).sum(axis=1)  # how often each visit was drawn
    return np.exp(_regress(x, y, times[:, round_of] * np.exp(-x.clip(0) / MEMORY)))


def _regress(x: Floats, y: Floats, weights: Floats) -> Floats:
    """The value at x = 0 of each weighted robust line; weights (draws, runs), result (draws,)."""
    robust = np.ones_like(weights)
    level = np.zeros((len(weights), 1))
    for _ in range(ROUNDS):
        share = weights * robust / (weights * robust).sum(axis=1, keepdims=True)
        x_mean, y_mean = (share * x).sum(axis=1, keepdims=True), (share * y).sum(axis=1, keepdims=True)
        total = (weights * robust).sum(axis=1, keepdims=True)
        spread = total * (share * (x - x_mean) ** 2).sum(axis=1, keepdims=True)
        together = total * (share * (x - x_mean) * (y - y_mean)).sum(axis=1, keepdims=True)
        slope = (together + SLOPE_WEIGHT * SLOPE) / (spread + SLOPE_WEIGHT)
        level = y_mean - slope * x_mean
        residual = np.abs(y - level - slope * x)
        deviation = 1.4826 * np.median(residual, axis=1, keepdims=True) + 1e-6
        robust = 1 / np.maximum(1, residual / (HUBER * deviation))
    return level[:, 0]
