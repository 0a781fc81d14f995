"""From a belief and a few measurements to the latency of everything, with what is still uncertain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from latkit.models.transfer.belief import UNKNOWN_LEVEL, Belief, Floats

OUTLIER_SHARE = 0.05
"""Share of measurements that are thought to be spoilt by something else that ran on the device."""

OUTLIER_NOISE = 0.5
"""Relative standard deviation of a spoilt measurement."""

SUSPECT = 1.5
"""A measurement so many standard deviations off what the others predict for it may be a spoilt one."""

RESTS_ON = 0.98
"""The variance is worked out for the likeliest explanations that together hold so much of the probability."""

MAX_EXPLANATIONS = 30


@dataclass(frozen=True, slots=True)
class Inferred:
    """Latencies of all rows of a belief, in the unit of the measurements."""

    mean: Floats
    """Shape (rows,)."""
    deviation: Floats
    """Standard deviation of a row's true latency about the mean, shape (rows,)."""
    noise: float
    """Relative standard deviation of one undisturbed measurement."""


@dataclass(frozen=True, slots=True)
class _Explanations:
    """Hypotheses about the device, and what each makes of the measurements; first axis: hypotheses."""

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
        shares: Floats = likelihood / likelihood.sum()
        return shares


def infer(belief: Belief, measured: Sequence[int], latencies: Floats, quantum: float = 0.0) -> Inferred:
    """Infer the latency of every row from those of the rows `measured`, in the same order.

    All hypotheses of the belief are weighed by their marginal likelihood, each with and without the measurements that
    look spoilt under it. `quantum`: latencies are multiples of it, which is noise of variance quantum^2 / 12.
    """
    index = np.asarray(measured)
    unit = float(np.median(latencies / belief.level[index]))
    relative = latencies / unit
    some = belief.rows(index)
    explanations = _explain(some, relative, (quantum / unit) ** 2 / 12)
    probability = explanations.probabilities()
    crossed = np.stack([part @ chosen.T for part, chosen in zip(belief.parts, some.parts, strict=True)])
    level = UNKNOWN_LEVEL**2 * np.outer(belief.level, some.level)
    blend = np.einsum("h,hp,hn->pn", probability, explanations.weights, explanations.coefficients)
    mean = belief.level + np.einsum("prn,pn->r", crossed, blend) + level @ (probability @ explanations.coefficients)
    variance = np.zeros(len(mean))
    for hypothesis in _likeliest(probability):
        weights = explanations.weights[hypothesis]
        covariance = np.tensordot(weights, crossed, 1) + level
        own = belief.level + covariance @ explanations.coefficients[hypothesis]
        before = sum(w * (part**2).sum(axis=1) for w, part in zip(weights, belief.parts, strict=True))
        before = before + (UNKNOWN_LEVEL * belief.level) ** 2
        after = before - ((covariance @ explanations.precision[hypothesis]) * covariance).sum(axis=1)
        variance += probability[hypothesis] * (np.maximum(after, 0.0) + (own - mean) ** 2)
    return Inferred(unit * mean, unit * np.sqrt(variance), float(probability @ explanations.noises))


def _likeliest(probability: Floats) -> NDArray[np.intp]:
    order = np.argsort(-probability)
    enough = int(np.searchsorted(np.cumsum(probability[order]), RESTS_ON)) + 1
    return order[: min(enough, MAX_EXPLANATIONS)]


def _explain(some: Belief, relative: Floats, rounding: float) -> _Explanations:
    """Every hypothesis, with none, one, two, ... of the measurements taken for spoilt."""
    hypotheses = list(product(some.weightings, some.spreads, some.noises))
    weights = np.array([np.multiply(weighting, spread**2) for weighting, spread, _ in hypotheses])
    noises = np.array([noise for _, _, noise in hypotheses])
    grams = np.stack([part @ part.T for part in some.parts])
    prior = np.tensordot(weights, grams, 1) + UNKNOWN_LEVEL**2 * np.outer(some.level, some.level)
    size = np.clip(relative / some.level, 0.5, 2.0) * some.level
    spoilt = np.zeros((len(hypotheses), len(relative)), bool)
    told: list[_Explanations] = []
    fresh = np.ones(len(hypotheses), bool)
    for _ in range(1 + max(1, len(relative) // 6)):
        variance = np.outer(noises, size) ** 2 + rounding + np.where(spoilt, (OUTLIER_NOISE * size) ** 2, 0.0)
        covariance = prior + variance[:, :, None] * np.eye(len(relative))
        precision = np.linalg.inv(covariance).astype(np.float64)
        coefficients: Floats = precision @ (relative - some.level)
        misfit = coefficients @ (relative - some.level) + np.linalg.slogdet(covariance)[1]
        many = spoilt.sum(axis=1)
        evidence = many * np.log(OUTLIER_SHARE) + (len(relative) - many) * np.log1p(-OUTLIER_SHARE) - misfit / 2
        told.append(_Explanations(np.where(fresh, evidence, -np.inf), weights, noises, coefficients, precision))
        # How far each measurement is from what the others predict for it, in standard deviations.
        surprise = np.abs(coefficients) / np.sqrt(np.diagonal(precision, axis1=1, axis2=2))
        surprise[spoilt] = 0.0
        worst = surprise.argmax(axis=1)
        fresh &= surprise.max(axis=1) > SUSPECT
        spoilt[np.flatnonzero(fresh), worst[fresh]] = True
    return _Explanations(
        *(np.concatenate([getattr(one, name) for one in told]) for name in _Explanations.__dataclass_fields__)
    )
