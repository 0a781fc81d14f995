"""Which networks to measure on a new device: those that leave the least unknown about all others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latkit.models.transfer.prior import LEVEL_STD, Floats, Prior

DESIGN_NOISE = 0.1
"""A pessimist's noise: it favours networks that differ much, which serves a quiet device as well."""


def choose_rows(prior: Prior, count: int, measured: Sequence[int] = ()) -> list[int]:
    """The next `count` rows to measure after those already `measured`: each lowers most the mean variance of all.

    Greedy A-optimal design under the mean of the belief's weightings. Only the belief decides: it is made of other
    devices and of what the networks are, so that no latency of the new device is looked at.
    """
    spread = float(np.median(prior.spreads))
    weights = np.mean(prior.weightings, axis=0)
    blocks = [spread * np.sqrt(weight) * part for weight, part in zip(weights, prior.parts, strict=True) if weight]
    features = np.column_stack([*blocks, LEVEL_STD * prior.level])
    target = features - features.mean(axis=0)
    known = _Covariance(features, target.T @ target / len(target), (DESIGN_NOISE * prior.level) ** 2)
    for row in measured:
        known.measure(row)
    chosen: list[int] = []
    for _ in range(count):
        gains = known.gains()
        gains[[*measured, *chosen]] = -np.inf
        chosen.append(int(gains.argmax()))
        known.measure(chosen[-1])
    return chosen


class _Covariance:
    """What is still unknown about rows whose latency is linear in features, brought up to date one row at a time."""

    def __init__(self, features: Floats, target: Floats, noise: Floats) -> None:
        self.features = features
        self.target = target
        self.noise = noise
        self.posterior = features.copy()  # features @ covariance of their coefficients
        self.projected = features @ target

    def gains(self) -> Floats:
        """By how much measuring each row would lower the mean variance, shape (rows,)."""
        variance = (self.posterior * self.features).sum(axis=1) + self.noise
        gains: Floats = (self.projected * self.posterior).sum(axis=1) / variance
        return gains

    def measure(self, row: int) -> None:
        direction = self.posterior[row].copy()
        variance = direction @ self.features[row] + self.noise[row]
        shared = self.features @ direction / variance
        self.posterior -= np.outer(shared, direction)
        self.projected -= np.outer(shared, direction @ self.target)
