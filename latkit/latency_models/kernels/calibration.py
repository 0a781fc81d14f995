"""Calibration of external networks: what a whole network costs beyond the sum of its kernels, and its error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latkit._io.arrays import Floats
from latkit.latency_models.calibration_terms import PASSES, huber_weights
from latkit.latency_models.conformal import half_width

MIN_NETWORKS = 5
"""With fewer whole networks, only the prediction error is learned from them, no calibration."""

NETWORK_ERROR, KERNEL_ERROR = 0.03, 0.15
"""Expected relative errors of networks of measured kernels, and, beyond that, of networks of predicted ones."""

UNKNOWN_ERROR = 0.3
"""Half width of an interval, relative, where no network was measured."""


@dataclass(frozen=True, slots=True)
class NetworkCalibration:
    """Corrections to sums of kernels: latency = fixed + scale x (kernels - savings) + per kernel + per weight.

    A kernel in a network finds its weights and its code further away than a kernel that runs repeatedly.
    """

    scale: float = 1.0
    per_kernel_s: float = 0.0
    per_weight_s: float = 0.0
    networks: int = 0
    measured_error: float = UNKNOWN_ERROR
    """Half width of the 90 % interval, relative, of networks all of whose kernels were measured."""
    predicted_error: float = UNKNOWN_ERROR
    """The same for networks with no measured kernel."""


@dataclass(frozen=True, slots=True)
class MeasuredNetworks:
    """Whole networks that were measured: n of them."""

    known: Floats
    """Cost terms, shape (n, 3): kernels less savings in seconds, kernels, weights; measured kernels where they are."""
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
    scale, per_kernel_s, per_weight_s = (float(weight) for weight in _relative_fit(known, seconds, precisions))
    errors = [_held_out_errors(networks, terms, fixed_s) for terms in (known, networks.predicted)]
    measured_error, predicted_error = (half_width(found) or UNKNOWN_ERROR for found in errors)
    return NetworkCalibration(scale, per_kernel_s, per_weight_s, len(seconds), measured_error, predicted_error)


def _relative_fit(cost_terms: Floats, seconds: Floats, precisions: Floats) -> Floats:
    """Non-negative seconds per unit of each term, with the least squared relative errors, shape (3,).

    Networks with a large error count less, as in `fit_terms`: a kernel that a network's neighbors slow down would
    otherwise raise the scale of all others, and leave nothing to the weights.
    """
    from scipy.optimize import nnls

    scale = cost_terms.max(axis=0).clip(min=1e-12)
    relative = cost_terms / scale / seconds[:, None]
    counts = precisions
    found = np.zeros(3)
    for _ in range(PASSES):
        found, _ = nnls(relative * counts[:, None], counts)
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
