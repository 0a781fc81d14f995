"""Scores of sub-networks with less noise, by the loss on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

MIN_SAMPLES = 8
SHARE = 0.6
"""Weight of the regression where losses explain scores fully. The more of it, the worse a predictor ranks on the images
that were evaluated, and the better on new ones; beyond this weight little is gained there."""


@dataclass(frozen=True, slots=True)
class ScoreByLoss:
    """A score s with loss l becomes s + SHARE r^2 (f - s), with f = intercept + slope l.

    f is the regression of evaluated scores on their losses, and r the correlation of both. A loss says how sure a
    network is of every image, a score only on which side it is: on the same images, losses rank sub-networks more
    as new images do. A score that losses do not explain stays what it is.
    """

    slope: float = 0.0
    intercept: float = 0.0
    explained: float = 0.0
    """r^2, 0 to 1."""

    @classmethod
    def fit(cls, scores: Sequence[float], losses: Sequence[float | None]) -> Self:
        """Learn from evaluated sub-networks; nothing is changed where some have no loss, or all are alike."""
        known = [one for one in losses if one is not None]
        if len(known) < max(len(scores), MIN_SAMPLES) or not np.ptp(known) or not np.ptp(scores):
            return cls()
        slope, intercept = np.polyfit(known, scores, 1)
        return cls(float(slope), float(intercept), float(np.corrcoef(known, scores)[0, 1] ** 2))

    def __call__(self, score: float, loss: float | None) -> float:
        """The score of a sub-network, in the same unit."""
        if loss is None:
            return score
        return score + SHARE * self.explained * (self.intercept + self.slope * loss - score)
