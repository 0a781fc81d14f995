"""Batch selection: which configurations to measure next, by model error and distance from measured ones."""

from __future__ import annotations

import numpy as np

from latkit._io.arrays import Floats

NOISE = 1e-4
"""Variance of a measurement, relative to the prior variance."""


def select_batch(
    known: Floats, errors: Floats, pool: Floats, count: int, importance: Floats | None = None
) -> list[int]:
    """Indices into `pool` of the `count` configurations most worth measuring next, best first.

    `known`, shape (n, features), are the configurations measured already (may be none), `errors`, shape (n,),
    log(predicted / measured) at each by a model that was not fitted on it, `pool`, shape (m, features), the candidates.
    `importance`, shape (features,), weighs the features; equal weights if it is not given.

    A Gaussian process over the features gives the uncertainty at each point; the score is its variance times the
    squared error expected there. After every choice the variance is conditioned on the choices before, so a batch does
    not measure one point twice. Returns fewer than `count` where the pool is smaller.
    """
    scaled_known, scaled_pool = _scaled(known, pool, importance)
    variance, factors = _given(scaled_known, scaled_pool)
    weights = _expected_squares(scaled_known, errors, scaled_pool)
    chosen: list[int] = []
    free = np.ones(len(pool), dtype=bool)
    for _ in range(min(count, len(pool))):
        best = int(np.where(free, variance * weights, -1.0).argmax())
        chosen.append(best)
        free[best] = False
        # One step of a pivoted Cholesky decomposition: the variance also conditioned on the choice.
        row = _kernel(scaled_pool[best : best + 1], scaled_pool)[0] - factors[best] @ factors.T
        row /= np.sqrt(variance[best] + NOISE)
        factors = np.column_stack([factors, row])
        variance = (variance - row**2).clip(min=0.0)
    return chosen


def _scaled(known: Floats, pool: Floats, importance: Floats | None) -> tuple[Floats, Floats]:
    """Features of known and pool with equal variance, times the root of their importance."""
    every = np.concatenate([known.reshape(-1, pool.shape[1]), pool])
    spread = every.std(axis=0)
    importances = np.ones(pool.shape[1]) if importance is None else importance
    importances = np.where(spread > 0, importances, 0.0)
    factor = np.sqrt(importances / max(importances.sum(), 1e-12)) / np.where(spread > 0, spread, 1.0)
    centered = (every - every.mean(axis=0)) * factor  # mean squared distance between two rows: 2
    return centered[: len(every) - len(pool)], centered[len(every) - len(pool) :]


def _kernel(left: Floats, right: Floats) -> Floats:
    """Matérn covariance (order 3/2, length 1), shape (left, right)."""
    squares = (left**2).sum(1)[:, None] + (right**2).sum(1)[None, :] - 2 * left @ right.T
    distance = np.sqrt(3 * squares.clip(min=0.0))
    covariance: Floats = (1 + distance) * np.exp(-distance)
    return covariance


def _given(known: Floats, pool: Floats) -> tuple[Floats, Floats]:
    """Variance of the pool given the known points, shape (m,), and the factors for further conditioning, shape (m,
    n)."""
    if not len(known):
        return np.ones(len(pool)), np.empty((len(pool), 0))
    from scipy.linalg import solve_triangular

    root = np.linalg.cholesky(_kernel(known, known) + NOISE * np.eye(len(known)))
    factors = solve_triangular(root, _kernel(known, pool), lower=True).T
    return (1 - (factors**2).sum(axis=1)).clip(min=0.0), factors


def _expected_squares(known: Floats, errors: Floats, pool: Floats) -> Floats:
    """Expected squared error at each point of the pool: that of its neighbors, shrunk to the overall mean."""
    if not len(known):
        return np.ones(len(pool))
    near = _kernel(pool, known) ** 2
    mean = float((errors**2).mean())
    expected: Floats = (near @ errors**2 + mean) / (near.sum(axis=1) + 1)
    return expected
