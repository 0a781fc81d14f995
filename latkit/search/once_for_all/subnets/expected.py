"""Scores that sub-networks are expected to have on new images: by prediction and evaluation together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latkit.search.once_for_all.subnets.evaluated import Fitted
from latkit.spaces.base import Architecture
from latkit.spaces.elastic.arrays import ElasticArrays

DEVIATIONS = 1.25
"""Standard deviation of a normally distributed error, in units of its mean absolute value."""

NOISE_SHARE = 0.5
"""Variance of the difference between two sub-networks' scores, relative to that of scores on independent images: all
are judged on the same images, and agree on most of them. Measured as .2 where 85 % of the images are right."""


@dataclass(frozen=True, slots=True)
class ExpectedScore:
    """The mean of predicted and evaluated score, weighted by the inverse variances of their errors.

    The best of several evaluated ones is the luckiest where they differ by less than the validation images tell apart.
    The predictor learned from hundreds of sub-networks, and errs less; it counts less where it was wrong on those that
    were held out.
    """

    fitted: Fitted
    arrays: ElasticArrays
    images: int
    """Validation images."""

    def __call__(self, architecture: Architecture, score: float, loss: float | None = None) -> float:
        """The score of a sub-network whose score and loss on validation images are given."""
        evaluated = self.fitted.by_loss(score, loss)
        predicted = float(self.fitted.predictor.predict(self.arrays.features(np.array([architecture])))[0])
        return predicted + self.weight(evaluated) * (evaluated - predicted)

    def weight(self, evaluated: float) -> float:
        """The weight of the evaluated score, 0 to 1: all of it for a score that is no share of the images."""
        noise = NOISE_SHARE * max(0.0, evaluated * (1 - evaluated)) / self.images
        error = (DEVIATIONS * self.fitted.report.mean_error) ** 2
        return error / (error + noise) if error + noise > 0 else 1.0
