"""The prior of a device before it is measured: the differences between networks it may show, and their size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latkit._io.arrays import Floats

LEVEL_STD = 2.0
"""Standard deviation of a device's level, relative to a first guess of it: a few measurements determine it."""

ROBUST_ROUNDS = 6
HUBER = 1.5
"""Residuals beyond this many standard deviations of the bulk are clipped to it."""


@dataclass(frozen=True, slots=True)
class Prior:
    """A Gaussian prior over the latencies of rows (networks, or single ops), with its hypotheses.

    latency = unit x (c x level + spread x sum over parts p of sqrt(w[p]) x F[p] u[p]) x (1 + noise x e)

    with u and e standard normal and c normal about 1. `unit` comes from the measurements. They also decide which of the
    weights w, spreads and noise levels listed here hold for a device.
    """

    level: Floats
    """Latency expected of each row, relative to any common unit, shape (rows,)."""
    parts: tuple[Floats, ...]
    """F, each of shape (rows, features), scaled so that the prior variance is 1 on average (see `scaled`)."""
    weightings: tuple[tuple[float, ...], ...]
    """Candidate values of w, one weight per part."""
    spreads: tuple[float, ...]
    """Deviation of latencies from `level`, relative to it."""
    noises: tuple[float, ...]
    """Relative standard deviations of one measurement."""

    def rows(self, index: Sequence[int] | NDArray[np.intp]) -> Prior:
        """The prior of some of the rows."""
        parts = tuple(part[index] for part in self.parts)
        return Prior(self.level[index], parts, self.weightings, self.spreads, self.noises)


def scaled(features: Floats) -> Floats:
    """Features, shape (rows, features), centered, with a mean square of 1 per row."""
    centered = features - features.mean(axis=0)
    size = float(np.sqrt((centered**2).sum(axis=1).mean()))
    made: Floats = centered / (size or 1.0)
    return made


def standardize(features: Floats) -> Floats:
    """Features, shape (rows, features), each with mean 0 and variance 1; constant ones are 0."""
    centered = features - features.mean(axis=0)
    deviation = centered.std(axis=0)
    centered[:, deviation < 1e-9] = 0.0
    made: Floats = centered / np.where(deviation < 1e-9, 1.0, deviation)
    return made


def fitted_latencies(features: Floats, latencies: Floats) -> Floats:
    """The part of known devices' latencies that features explain, shape (rows, devices); the rest counts as noise.

    Huber's M-estimate by modified residuals: a noisy run does not affect other networks.
    """
    design = np.column_stack([standardize(features), np.ones(len(features))])
    solve = least_squares(design)
    fitted: Floats = design @ (solve @ latencies)
    for _ in range(ROBUST_ROUNDS):
        residual = latencies - fitted
        bound = HUBER * 1.48 * np.median(np.abs(residual), axis=0)
        fitted = design @ (solve @ (fitted + np.clip(residual, -bound, bound)))
    return fitted


def least_squares(design: Floats) -> Floats:
    """Matrix that maps a target, shape (rows,), to its minimum-norm least-squares coefficients; shape (features,
    rows)."""
    solve: Floats = np.linalg.pinv(design.T @ design, rcond=1e-10, hermitian=True) @ design.T
    return solve


def shared_features(features: Floats, known: Sequence[Floats]) -> Floats:
    """Known devices as features of their networks, without their noise: shape (networks, entries of all devices).

    `known` has an array of latencies of shape (networks, entries) for each device; several entries of one device (its
    batch sizes) weigh together as much as one device with a single entry. `features`: the inputs that explain their
    latencies.
    """
    entries = [device.shape[1] for device in known]
    curves = standardize(fitted_latencies(features, np.column_stack(known)))
    shared: Floats = curves / np.sqrt(np.repeat(entries, entries))
    return shared
