"""Predictors of model-based search: from the features of architectures, draws of what their values may be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from latkit.spaces.base import Architecture, Space

Array = npt.NDArray[np.floating[Any]]

LENGTHS = (0.5, 1.0, 2.0, 4.0)
"""Length scales that a Gaussian process chooses from, in units of the root of the mean squared distance."""
NOISES = (0.01, 0.1, 0.3)
"""Variances of the noise that it chooses from, where the values have variance 1."""
DRAWN = 150
"""Points, of greatest mean plus two standard deviations, at which a Gaussian process is drawn."""
RIDGE_WEIGHTS = (0.3, 1.0, 3.0, 10.0)
MIN_ROWS = 64
"""Rows of features that memory is first taken for."""


class Predictor(Protocol):
    """Learns values of architectures from their features."""

    def fit(self, x: Array, y: Array) -> None:
        """Learn from features of shape (n, features) and values of shape (n,), of mean 0 and variance 1."""

    def draw(self, x: Array) -> Array:
        """One random function that agrees with what was learned, at features of shape (m, features): (m,)."""


class GaussianProcess:
    """A Gaussian process with an RBF kernel, whose length and noise have the greatest marginal likelihood.

    Rasmussen & Williams 2006, algorithm 2.1. Of features that are one-hot, the kernel is a product over the choices.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        from scipy.linalg import solve_triangular  # takes a while to import

        self._generator, self._solve_triangular = generator, solve_triangular
        self._chosen: tuple[float, float] | None = None
        self._fitted_at = 0

    def fit(self, x: Array, y: Array) -> None:
        """Factorize the kernel; length and noise are chosen anew after every tenth part more values."""
        self._x = x
        squared = squared_distances(x, x)
        self._scale = float(squared.mean()) or 1.0
        if self._chosen is None or len(y) >= 1.1 * self._fitted_at:
            options = [(length, noise) for length in LENGTHS for noise in NOISES]
            self._chosen = max(options, key=lambda one: self._evidence(squared, y, one))
            self._fitted_at = len(y)
        self._factor, self._weights = self._solve(squared, y, self._chosen)

    def draw(self, x: Array) -> Array:
        """A draw of the posterior at the points that may be the best; the mean at others.

        Values of similar points are drawn together. If each had noise of its own, the greatest of a thousand would be
        the luckiest, and the more candidates there are the less would be learned from what is known.
        """
        assert self._chosen is not None
        cross = self._kernel(squared_distances(x, self._x), self._chosen[0])
        found: Array = cross @ self._weights
        explained = self._solve_triangular(self._factor, cross.T, lower=True)
        deviation = np.sqrt(np.maximum(1 - (explained**2).sum(axis=0), 1e-9))
        first = np.argsort(-(found + 2 * deviation), kind="stable")[:DRAWN]
        before = self._kernel(squared_distances(x[first], x[first]), self._chosen[0])
        covariance = before - explained[:, first].T @ explained[:, first] + 1e-6 * np.eye(len(first))
        found[first] += np.linalg.cholesky(covariance) @ self._generator.standard_normal(len(first))
        return found

    def _kernel(self, squared: Array, length: float) -> Array:
        found: Array = np.exp(-squared / (2 * self._scale * length**2))
        return found

    def _solve(self, squared: Array, y: Array, chosen: tuple[float, float]) -> tuple[Array, Array]:
        length, noise = chosen
        factor: Array = np.linalg.cholesky(self._kernel(squared, length) + (noise + 1e-6) * np.eye(len(y)))
        half = self._solve_triangular(factor, y, lower=True)
        weights: Array = self._solve_triangular(factor, half, lower=True, trans=1)
        return factor, weights

    def _evidence(self, squared: Array, y: Array, chosen: tuple[float, float]) -> float:
        factor, weights = self._solve(squared, y, chosen)
        return float(-0.5 * y @ weights - np.log(np.diag(factor)).sum())


class BaggedRidge:
    """Ridge regressions on bootstrap samples; a draw is one of them, chosen at random."""

    def __init__(self, generator: np.random.Generator, members: int = 10) -> None:
        self._generator, self._members = generator, members

    def fit(self, x: Array, y: Array) -> None:
        """Fit every member; the weight decay is chosen by the error at what a member did not see."""
        x = np.column_stack((x, np.ones(len(x))))
        bags = [self._generator.integers(len(y), size=len(y)) for _ in range(self._members)]
        squares = np.array([x[bag].T @ x[bag] for bag in bags])
        moments = np.array([x[bag].T @ y[bag] for bag in bags])[:, :, None]
        eye = np.eye(x.shape[1])
        fits = [np.linalg.solve(squares + weight * eye, moments)[:, :, 0] for weight in RIDGE_WEIGHTS]
        sampled = np.array([np.bincount(bag, minlength=len(y)) > 0 for bag in bags])
        errors = [float((((found @ x.T - y) ** 2) * ~sampled).sum()) for found in fits]
        self._coefficients = fits[int(np.argmin(errors))]

    def draw(self, x: Array) -> Array:
        """The prediction of a random member."""
        member = self._coefficients[self._generator.integers(self._members)]
        found: Array = x @ member[:-1] + member[-1]
        return found


class NetworkEnsemble:
    """Networks of one hidden layer whose random first layer is fixed (random features), each with its own ridge.

    An ensemble like BANANAS's, without its training by gradients: a fit takes milliseconds.
    """

    def __init__(self, generator: np.random.Generator, members: int = 5, width: int = 200) -> None:
        self._generator, self._members, self._width = generator, members, width

    def fit(self, x: Array, y: Array) -> None:
        """Draw every member's first layer, and solve for its second."""
        shape = (self._members, x.shape[1] + 1, self._width)
        self._first = self._generator.standard_normal(shape) / max(float((x**2).sum(axis=1).mean()), 1.0) ** 0.5
        hidden = self._hidden(x)
        decay = len(y) ** 0.5 * 0.1
        if len(y) < self._width:  # the same by a smaller system
            other = hidden.transpose(0, 2, 1)
            values = np.linalg.solve(hidden @ other + decay * np.eye(len(y)), y[None, :, None])
            self._second: Array = (other @ values)[:, :, 0]
        else:
            self._second = np.array(
                [np.linalg.solve(one.T @ one + decay * np.eye(self._width), one.T @ y) for one in hidden]
            )

    def draw(self, x: Array) -> Array:
        """Mean of the members plus noise of their standard deviation (independent Thompson sampling)."""
        found = np.array([one @ weights for one, weights in zip(self._hidden(x), self._second, strict=True)])
        drawn: Array = found.mean(axis=0) + found.std(axis=0) * self._generator.standard_normal(len(x))
        return drawn

    def _hidden(self, x: Array) -> Array:
        padded = np.column_stack((x, np.ones(len(x))))
        found: Array = np.maximum(padded @ self._first, 0)
        return found


class FeatureRows:
    """The features of a space's architectures, remembered."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._places: dict[Architecture, int] = {}
        self._rows: Array = np.empty((0, 0))

    def of(self, architectures: Iterable[Architecture]) -> Array:
        """Shape (architectures, features)."""
        places = [self._place(one) for one in architectures]
        found: Array = self._rows[places]
        return found

    def _place(self, architecture: Architecture) -> int:
        """The row of an architecture."""
        place = self._places.get(architecture)
        if place is None:
            features = self._space.features(architecture)
            place = self._places[architecture] = len(self._places)
            if place == len(self._rows):
                more = np.empty((max(place, MIN_ROWS), len(features)))
                self._rows = np.concatenate((self._rows, more)) if place else more
            self._rows[place] = features
        return place


def squared_distances(one: Array, other: Array) -> Array:
    """Squared Euclidean distances between rows: (n, features), (m, features) -> (n, m)."""
    squared = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    found: Array = np.maximum(squared, 0)
    return found


def standardize(y: Array) -> Array:
    """Values at mean 0 and variance 1; far outliers below are drawn in, to the lower whisker."""
    low, high = np.quantile(y, (0.25, 0.75))
    y = np.maximum(y, low - 1.5 * (high - low))
    found: Array = (y - y.mean()) / (y.std() or 1.0)
    return found


PREDICTORS = {"gp": GaussianProcess, "ensemble": NetworkEnsemble, "ridge": BaggedRidge}
"""The predictors by name."""
