"""Experimental design: which networks to measure on a new device to reduce the uncertainty of all others most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latkit._io.arrays import Floats
from latkit.latency_models.transfer.prior import LEVEL_STD, Prior

DESIGN_NOISE = 0.1
"""A pessimistic noise level: it favors networks that differ much, which serves an idle device as well."""


def choose_rows(prior: Prior, count: int, measured: Sequence[int] = ()) -> list[int]:
    """The next `count` rows to measure after those already `measured`: each lowers the mean variance of all the most.

    Greedy A-optimal design under the mean of the prior's weightings. Only the prior decides: it comes from other
    devices and from the networks' structure, so no latency of the new device is used.
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
    """Posterior covariance of rows whose latency is linear in features, updated one row at a time."""

    def __init__(self, features: Floats, target: Floats, noise: Floats) -> None:
        self.features = features
        self.target = target
        self.noise = noise
        self.posterior = features.copy()  # features @ covariance of their coefficients
        self.projected = features @ target

    def gains(self) -> Floats:
        """Reduction of the mean variance by measuring each row, shape (rows,)."""
        variance = (self.posterior * self.features).sum(axis=1) + self.noise
        gains: Floats = (self.projected * self.posterior).sum(axis=1) / variance
        return gains

    def measure(self, row: int) -> None:
        direction = self.posterior[row].copy()
        variance = direction @ self.features[row] + self.noise[row]
        shared = self.features @ direction / variance
        self.posterior -= np.outer(shared, direction)
        self.projected -= np.outer(shared, direction @ self.target)
