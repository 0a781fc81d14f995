"""Calibration of external networks: what a whole network costs beyond the sum of its kernels, and its error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from latkit._io.arrays import Floats
from latkit.latency_models.calibration.conformal import half_width
from latkit.latency_models.calibration.terms import PASSES, huber_weights

MIN_NETWORKS = 5
"""With fewer whole networks, only the prediction error is learned from them, no calibration."""

NETWORK_ERROR, KERNEL_ERROR = 0.03, 0.15
"""Expected relative errors of networks of measured kernels, and, beyond that, of networks of predicted ones."""

MIN_ERROR = 0.005
"""Minimum standard deviation of either part of a network's relative error."""

VARIANCE_PASSES, MAX_SQUARES = 10, 9.0
"""Passes of reweighting, and the maximum square of an error in units of its variance: larger ones count as this."""

UNKNOWN_ERROR = 0.3
"""Half width of an interval, relative, where no network was measured."""


@dataclass(frozen=True, slots=True)
class NetworkCalibration:
    """Corrections to sums of kernels: latency = fixed + scale x (kernels - savings) + per kernel, weight and element.

    A kernel in a network finds its code, its weights, and the tensors that it reads and writes further away than a
    kernel that runs repeatedly.
    """

    scale: float = 1.0
    per_kernel_s: float = 0.0
    per_weight_s: float = 0.0
    networks: int = 0
    measured_error: float = UNKNOWN_ERROR
    """Half width of the 90 % interval, relative, of networks all of whose kernels were measured."""
    predicted_error: float = UNKNOWN_ERROR
    """The same for networks with no measured kernel."""
    per_element_s: float = 0.0
    """Per element that a kernel reads or writes, weights aside. Absent in earlier files."""

    def half_width(self, fraction: float) -> float:
        """Half width of the 90 % interval, relative, of a network of whose kernels that share was measured."""
        known, unknown = self.measured_error**2, self.predicted_error**2
        return math.sqrt(known + (1 - fraction) ** 2 * max(unknown - known, 0.0))


@dataclass(frozen=True, slots=True)
class MeasuredNetworks:
    """Whole networks that were measured: n of them."""

    known: Floats
    """Cost terms, shape (n, 4): kernels less savings in seconds, kernels, weights, and elements read and written;
    measured kernels where there are."""
    predicted: Floats
    """The same, with those kernels as predicted when left out."""
    fractions: Floats
    """Share of the kernels' seconds that was measured, shape (n,)."""
    seconds: Floats
    """Without the fixed cost, shape (n,)."""

    @property
    def precisions(self) -> Floats:
        """Inverse of each network's expected error, at most 1, shape (n,).

        What a network takes beyond its kernels is as uncertain as the prediction of those that were not measured.
        """
        errors: Floats = np.hypot(NETWORK_ERROR, KERNEL_ERROR * (1 - self.fractions))
        return NETWORK_ERROR / errors


def calibrate(networks: MeasuredNetworks, fixed_s: float) -> NetworkCalibration:
    """Fit on measured networks."""
    known, seconds, precisions = networks.known, networks.seconds, networks.precisions
    if len(seconds) < MIN_NETWORKS:
        return NetworkCalibration(networks=len(seconds))
    scale, per_kernel_s, per_weight_s, per_element_s = (float(w) for w in _relative_fit(known, seconds, precisions))
    errors = np.concatenate([_held_out_errors(networks, terms, fixed_s) for terms in (known, networks.predicted)])
    fractions = np.concatenate([networks.fractions, np.zeros(len(seconds))])
    measured_error, predicted_error = interval_widths(errors, fractions)
    return NetworkCalibration(
        scale, per_kernel_s, per_weight_s, len(seconds), measured_error, predicted_error, per_element_s
    )


def interval_widths(errors: Floats, fractions: Floats) -> tuple[float, float]:
    """Half widths of 90 % intervals, relative, of networks all and none of whose kernels were measured.

    From relative errors of networks left out, each with the share of its kernels that was measured, both of shape (n,).
    Their variance is that of all networks, plus that of predicted kernels times the square of their share. Errors over
    its root have one distribution, whose quantile is conformal (Lei et al. 2018, section 5.2): with the quantile of all
    errors, intervals of measured kernels would be as wide as if half of them were not.
    """
    predicted = (1 - fractions) ** 2
    columns, sizes = np.stack([np.ones(len(errors)), predicted], axis=1), np.abs(errors)
    variances = np.array([NETWORK_ERROR**2, KERNEL_ERROR**2])
    for _ in range(VARIANCE_PASSES):
        expected = columns @ variances
        clipped = np.minimum(sizes**2, MAX_SQUARES * expected)
        variances, _ = nnls_of(columns / expected[:, None], clipped / expected)
        variances = np.maximum(variances, MIN_ERROR**2)
    found = half_width(sizes / np.sqrt(columns @ variances))
    if found is None:
        return UNKNOWN_ERROR, UNKNOWN_ERROR
    return found * math.sqrt(variances[0]), found * math.sqrt(variances.sum())


def _relative_fit(cost_terms: Floats, seconds: Floats, precisions: Floats) -> Floats:
    """Non-negative seconds per unit of each term, with the least squared relative errors, shape (4,).

    Networks with a large error count less, as in `fit_terms`: a kernel that a network's neighbors slow down would
    otherwise raise the scale of all others, and leave nothing to the weights.
    """
    scale = cost_terms.max(axis=0).clip(min=1e-12)
    relative = cost_terms / scale / seconds[:, None]
    counts = precisions
    found = np.zeros(cost_terms.shape[1])
    for _ in range(PASSES):
        found, _ = nnls_of(relative * counts[:, None], counts)
        counts = precisions * huber_weights(precisions * np.abs(relative @ found - 1))
    unscaled: Floats = found / scale
    return unscaled


def _held_out_errors(networks: MeasuredNetworks, cost_terms: Floats, fixed_s: float) -> Floats:
    """Relative error on every network when it is left out of the fit, shape (n,)."""
    seconds = networks.seconds
    errors = np.empty(len(seconds))
    for place in range(len(seconds)):
        weights = _relative_fit(*(np.delete(one, place, 0) for one in (networks.known, seconds, networks.precisions)))
        errors[place] = (fixed_s + cost_terms[place] @ weights) / (fixed_s + seconds[place]) - 1
    return errors


def nnls_of(columns: Floats, values: Floats) -> Any:
    """scipy's non-negative least squares, which take half a second to import."""
    from scipy.optimize import nnls

    return nnls(columns, values)
