"""The terms of a calibration: what a network costs more than its ops measured alone, found on measured networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from latkit._io.arrays import Bools, Floats, Integers

MIN_NETWORKS = 6
"""With fewer networks than this only a common scale is fitted."""
NOISE = 0.015
"""Standard deviation of the relative error of one network, against which the priors count."""
PRIOR_SHARES = (0.3, 0.02, 0.04)
"""Standard deviations of the three terms, as shares of a network's latency, before any network was measured."""
PASSES = 3
"""Of reweighting, so that a network that was disturbed does not move the terms."""
HUBER = 1.5
"""Errors beyond this many standard deviations count less (Huber 1964)."""
NORMAL_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


@dataclass(frozen=True, slots=True)
class NetworkParts:
    """What the latencies of networks are made of, each of shape (networks,)."""

    sums_s: Floats
    """Ops and neighbors within one precision, in seconds."""
    conversions_s: Floats
    """What neighbors of two precisions cost beyond that, in seconds."""
    weight_bytes: Floats

    @classmethod
    def without_conversions(cls, sums_s: Sequence[float] | Floats, weight_bytes: Sequence[float] | Floats) -> Self:
        """Those of networks of one precision."""
        return cls(np.array(sums_s), np.zeros(len(sums_s)), np.array(weight_bytes))

    def of(self, networks: Bools | Integers) -> Self:
        """Those of some networks, by a mask or by their places."""
        return type(self)(self.sums_s[networks], self.conversions_s[networks], self.weight_bytes[networks])

    def __len__(self) -> int:
        return len(self.sums_s)

    def array(self) -> Floats:
        """Shape (networks, 3)."""
        return np.stack([self.sums_s, self.conversions_s, self.weight_bytes], axis=1)


def fit_terms(parts: NetworkParts, above_s: Floats) -> Floats:
    """The factors of the three parts, shape (3,), none of them negative.

    `above_s`, shape (networks,): measured latencies without the fixed cost, in seconds. Least squares of the relative
    errors, with normal priors: the networks of one space are similar, and would not tell the terms apart without.
    Before anything else is known, conversions have the scale of ops, and weights cost nothing.
    """
    scale = float(np.median(above_s / (parts.sums_s + parts.conversions_s)))
    if len(parts) < MIN_NETWORKS:
        return np.array([scale, scale, 0.0])
    from scipy.optimize import nnls  # takes half a second to import

    shares = parts.array() / above_s[:, None]
    means = shares.mean(axis=0)
    occurring = means > 0
    priors = (NOISE * means / PRIOR_SHARES)[occurring]
    shares, expected = shares[:, occurring], np.array([scale, scale, 0.0])[occurring]
    found = expected
    for _ in range(PASSES):
        errors = np.abs(shares @ found - 1)
        bound = max(HUBER * NORMAL_MAD * float(np.median(errors)), 1e-9)
        weights = np.sqrt(np.minimum(1, bound / np.maximum(errors, 1e-12)))
        rows = np.vstack([shares * weights[:, None], np.diag(priors)])
        found, _ = nnls(rows, np.concatenate([weights, priors * expected]))
    terms = np.array([scale, scale, 0.0])
    terms[occurring] = found
    return terms
