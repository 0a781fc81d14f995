"""Inference: from a prior and a few measurements to the latency of everything, with its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from latkit._io.arrays import Floats
from latkit.latency_models.transfer.prior import LEVEL_STD, Prior

OUTLIER_SHARE = 0.05
"""Prior probability that a measurement is an outlier, spoiled by other work on the device."""

OUTLIER_NOISE = 0.5
"""Relative standard deviation of an outlier."""

OUTLIER_DEVIATIONS = 1.5
"""A measurement this many standard deviations from its prediction by the others may be an outlier."""

PROBABILITY_MASS = 0.98
"""The variance is computed for the likeliest hypotheses that together hold this much of the probability."""

MAX_EXPLANATIONS = 30


@dataclass(frozen=True, slots=True)
class Inferred:
    """Latencies of all rows of a prior, in the unit of the measurements."""

    mean: Floats
    """Shape (rows,)."""
    deviation: Floats
    """Standard deviation of a row's true latency about the mean, shape (rows,)."""
    noise: float
    """Relative standard deviation of one measurement that is not an outlier."""


@dataclass(frozen=True, slots=True)
class _Hypotheses:
    """Hypotheses about the device, and their fit to the measurements; first axis: hypotheses."""

    log_evidence: Floats
    weights: Floats
    """Prior variance by part, shape (hypotheses, parts)."""
    noises: Floats
    coefficients: Floats
    """Shape (hypotheses, measurements): predictions are covariances with the measured rows times these."""
    precision: Floats
    """Inverse covariance of the measurements, shape (hypotheses, measurements, measurements)."""

    def probabilities(self) -> Floats:
        likelihood: Floats = np.exp(self.log_evidence - self.log_evidence.max())
        normalized: Floats = likelihood / likelihood.sum()
        return normalized


def infer(prior: Prior, measured: Sequence[int], latencies: Floats, quantum: float = 0.0) -> Inferred:
    """Infer the latency of every row from those of the rows `measured`, in the same order.

    All hypotheses of the prior are weighed by their marginal likelihood, each with and without the measurements that
    are likely outliers under it. `quantum`: latencies are multiples of it, which is noise of variance quantum^2 / 12.
    """
    index = np.asarray(measured)
    unit = float(np.median(latencies / prior.level[index]))
    relative = latencies / unit
    measured_prior = prior.rows(index)
    explanations = _explain(measured_prior, relative, (quantum / unit) ** 2 / 12)
    probability = explanations.probabilities()
    cross_covariance = np.stack(
        [part @ chosen.T for part, chosen in zip(prior.parts, measured_prior.parts, strict=True)]
    )
    level = LEVEL_STD**2 * np.outer(prior.level, measured_prior.level)
    blend = np.einsum("h,hp,hn->pn", probability, explanations.weights, explanations.coefficients)
    mean = (
        prior.level
        + np.einsum("prn,pn->r", cross_covariance, blend)
        + level @ (probability @ explanations.coefficients)
    )
    variance = np.zeros(len(mean))
    for hypothesis in _top_hypotheses(probability):
        weights = explanations.weights[hypothesis]
        covariance = np.tensordot(weights, cross_covariance, 1) + level
        own = prior.level + covariance @ explanations.coefficients[hypothesis]
        before = sum(w * (part**2).sum(axis=1) for w, part in zip(weights, prior.parts, strict=True))
        before = before + (LEVEL_STD * prior.level) ** 2
        after = before - ((covariance @ explanations.precision[hypothesis]) * covariance).sum(axis=1)
        variance += probability[hypothesis] * (np.maximum(after, 0.0) + (own - mean) ** 2)
    return Inferred(unit * mean, unit * np.sqrt(variance), float(probability @ explanations.noises))


def _top_hypotheses(probability: Floats) -> NDArray[np.intp]:
    order = np.argsort(-probability)
    needed = int(np.searchsorted(np.cumsum(probability[order]), PROBABILITY_MASS)) + 1
    return order[: min(needed, MAX_EXPLANATIONS)]


def _explain(measured_prior: Prior, relative: Floats, rounding: float) -> _Hypotheses:
    """Every hypothesis, with zero, one, two, ... of the measurements treated as outliers."""
    hypotheses = list(product(measured_prior.weightings, measured_prior.spreads, measured_prior.noises))
    weights = np.array([np.multiply(weighting, spread**2) for weighting, spread, _ in hypotheses])
    noises = np.array([noise for _, _, noise in hypotheses])
    grams = np.stack([part @ part.T for part in measured_prior.parts])
    prior = np.tensordot(weights, grams, 1) + LEVEL_STD**2 * np.outer(measured_prior.level, measured_prior.level)
    size = np.clip(relative / measured_prior.level, 0.5, 2.0) * measured_prior.level
    outliers = np.zeros((len(hypotheses), len(relative)), bool)
    explanations: list[_Hypotheses] = []
    active = np.ones(len(hypotheses), bool)
    for _ in range(1 + max(1, len(relative) // 6)):
        variance = np.outer(noises, size) ** 2 + rounding + np.where(outliers, (OUTLIER_NOISE * size) ** 2, 0.0)
        covariance = prior + variance[:, :, None] * np.eye(len(relative))
        precision = np.linalg.inv(covariance).astype(np.float64)
        coefficients: Floats = precision @ (relative - measured_prior.level)
        misfit = coefficients @ (relative - measured_prior.level) + np.linalg.slogdet(covariance)[1]
        outlier_count = outliers.sum(axis=1)
        evidence = (
            outlier_count * np.log(OUTLIER_SHARE)
            + (len(relative) - outlier_count) * np.log1p(-OUTLIER_SHARE)
            - misfit / 2
        )
        explanations.append(_Hypotheses(np.where(active, evidence, -np.inf), weights, noises, coefficients, precision))
        # Deviation of each measurement from its prediction by the others, in standard deviations.
        z_scores = np.abs(coefficients) / np.sqrt(np.diagonal(precision, axis1=1, axis2=2))
        z_scores[outliers] = 0.0
        worst = z_scores.argmax(axis=1)
        active &= z_scores.max(axis=1) > OUTLIER_DEVIATIONS
        outliers[np.flatnonzero(active), worst[active]] = True
    return _Hypotheses(
        *(np.concatenate([getattr(one, name) for one in explanations]) for name in _Hypotheses.__dataclass_fields__)
    )
