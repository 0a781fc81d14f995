"""What a whole network costs beyond the sum of its kernels."""

import numpy as np
import pytest

from latkit.latency_models.kernels.calibration import calibrate


def test_a_network_that_errs_does_not_hide_what_weights_cost() -> None:
    rng = np.random.default_rng(0)
    kernels_s, weights = rng.uniform(1e-3, 1e-2, 20), rng.uniform(1e5, 5e6, 20)
    terms = np.stack([kernels_s, rng.integers(20, 100, 20), weights], axis=1)
    seconds = kernels_s + 1e-10 * weights
    seconds[3] *= 1.3
    found = calibrate(terms, terms, seconds, 0.0)
    assert found.scale == pytest.approx(1, rel=0.01)
    assert found.per_weight_s == pytest.approx(1e-10, rel=0.1)
