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
PRIOR_SHARES = (0.3, 0.02, 0.04, 0.05)
"""Standard deviations of the four terms, as fractions of a network's latency, before any network was measured."""
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
    op_counts: Floats
    """Ops that take time. 0: their number is not considered."""

    @classmethod
    def without_conversions(cls, sums_s: Sequence[float] | Floats, weight_bytes: Sequence[float] | Floats) -> Self:
        """Those of networks of one precision, whose ops are not counted."""
        nothing = np.zeros(len(sums_s))
        return cls(np.array(sums_s), nothing, np.array(weight_bytes), nothing)

    def of(self, networks: Bools | Integers) -> Self:
        """Those of some networks, by a mask or by their places."""
        return type(self)(*(one[networks] for one in self._columns()))

    def __len__(self) -> int:
        return len(self.sums_s)

    def array(self) -> Floats:
        """Shape (networks, 4)."""
        return np.stack(self._columns(), axis=1)

    def _columns(self) -> tuple[Floats, Floats, Floats, Floats]:
        return self.sums_s, self.conversions_s, self.weight_bytes, self.op_counts


def fit_terms(parts: NetworkParts, above_s: Floats) -> Floats:
    """The factors of the four parts, shape (4,). That of the ops' number may be negative, no other.

    `above_s`, shape (networks,): measured latencies without the fixed cost, in seconds. Least squares of the relative
    errors, with normal priors: the networks of one space are similar, and would not tell the terms apart without.
    Before anything else is known, conversions have the scale of ops, and weights and the number of ops cost nothing.
    """
    scale = float(np.median(above_s / (parts.sums_s + parts.conversions_s)))
    if len(parts) < MIN_NETWORKS:
        return np.array([scale, scale, 0.0, 0.0])
    from scipy.optimize import lsq_linear  # takes half a second to import

    relative = parts.array() / above_s[:, None]
    means = relative.mean(axis=0)
    occurring = means > 0
    priors = (NOISE * means / PRIOR_SHARES)[occurring]
    lowest = np.array([0.0, 0.0, 0.0, -np.inf])[occurring]
    relative, expected = relative[:, occurring], np.array([scale, scale, 0.0, 0.0])[occurring]
    found, units = expected, 1 / means[occurring]  # seconds and bytes are of other magnitudes
    for _ in range(PASSES):
        weights = huber_weights(np.abs(relative @ found - 1))
        rows = np.vstack([relative * weights[:, None], np.diag(priors)])
        found = (
            lsq_linear(rows * units, np.concatenate([weights, priors * expected]), (lowest, np.inf), "bvls").x * units
        )
    terms = np.array([scale, scale, 0.0, 0.0])
    terms[occurring] = found
    return terms


def huber_weights(errors: Floats) -> Floats:
    """Square roots of the weights of a robust fit, of the shape of the absolute errors: large ones count less."""
    bound = max(HUBER * NORMAL_MAD * float(np.median(errors)), 1e-9)
    weights: Floats = np.sqrt(np.minimum(1, bound / np.maximum(errors, 1e-12)))
    return weights
