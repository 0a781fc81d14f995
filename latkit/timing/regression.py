"""The level of a long run: its latency while the device is idle, by regression on the reference around it.

A run of many milliseconds is always disturbed, but the reference runs just before and after it show by how much. A
larger working set suffers more from other processes than the small reference does, and some workloads suffer more than
others. So, with x = log(reference around the run / its fastest run) and y = log(run), the model is

    y = level + slope x.

It is fitted robustly (Huber weights). Runs in idle moments weigh most. The slope is regularized toward `SLOPE` with the
weight of a few runs, so that noise does not determine it where the device was equally fast all the time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latkit._io.arrays import Floats, Integers
from latkit.timing.measurement import Round
from latkit.timing.rounds import reference_min_s, round_blocks

SLOPE = 1.2
"""Prior for how much more a long workload slows down than the reference."""
SLOPE_WEIGHT = 0.3
"""Weight of that prior, in units of the sum of squared x: about 30 runs on a device at half speed."""
MEMORY = 0.1
"""A run weighs 1/e of an idle one if the reference around it was slower by this much, as a logarithm."""
HUBER = 1.5
"""Residuals beyond this many standard deviations are weighted down."""
ROUNDS = 10


def level_in_references(rounds: Sequence[Round], use_cpu_time: bool, drawn: Integers) -> Floats:
    """The level in units of the fastest reference run of all rounds, for each draw of rounds; shape (draws,).

    `drawn`: indices of rounds, shape (draws, rounds); a round that is drawn twice counts twice.
    """
    blocks = [round_blocks(one_round, use_cpu_time) for one_round in rounds]
    fastest_s = min(reference_min_s(one_round, use_cpu_time) for one_round in rounds)
    y = np.log(np.concatenate([runs for runs, _ in blocks]) / fastest_s)
    x = np.log(np.concatenate([around for _, around in blocks]) / fastest_s)
    round_of = np.repeat(np.arange(len(rounds)), [len(runs) for runs, _ in blocks])
    times = (drawn[:, :, None] == np.arange(len(rounds))).sum(axis=1)  # how often each round was drawn
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
