"""What a whole network costs beyond the sum of its kernels."""

import numpy as np
import pytest

from latkit.latency_models.kernels.calibration import MeasuredNetworks, calibrate, interval_widths


def test_a_network_that_errs_does_not_hide_what_weights_cost() -> None:
    rng = np.random.default_rng(0)
    kernels_s, weights = rng.uniform(1e-3, 1e-2, 20), rng.uniform(1e5, 5e6, 20)
    terms = np.stack([kernels_s, rng.integers(20, 100, 20), weights, rng.uniform(1e5, 1e7, 20)], axis=1)
    seconds = kernels_s + 1e-10 * weights
    seconds[3] *= 1.3
    found = calibrate(MeasuredNetworks(terms, terms, np.ones(20), seconds), 0.0)
    assert found.scale == pytest.approx(1, rel=0.01)
    assert found.per_weight_s == pytest.approx(1e-10, rel=0.1)


def test_networks_of_measured_kernels_decide_what_weights_cost() -> None:
    rng = np.random.default_rng(1)
    kernels_s, weights, fractions = rng.uniform(1e-3, 1e-2, 24), rng.uniform(1e4, 5e5, 24), np.zeros(24)
    weights[:4], fractions[:4] = rng.uniform(2e6, 5e6, 4), 1.0
    terms = np.stack([kernels_s, rng.integers(20, 100, 24), weights, np.zeros(24)], axis=1)
    seconds = kernels_s * np.where(fractions == 1, 1, rng.uniform(0.8, 1.0, 24)) + 2e-10 * weights
    found = calibrate(MeasuredNetworks(terms, terms, fractions, seconds), 0.0)
    assert found.per_weight_s == pytest.approx(2e-10, rel=0.25)


def test_elements_read_and_written_have_a_cost() -> None:
    rng = np.random.default_rng(2)
    kernels_s, elements = rng.uniform(1e-3, 1e-2, 20), rng.uniform(1e6, 3e7, 20)
    terms = np.stack([kernels_s, rng.integers(20, 100, 20), rng.uniform(1e4, 1e5, 20), elements], axis=1)
    found = calibrate(MeasuredNetworks(terms, terms, np.ones(20), kernels_s + 2e-11 * elements), 0.0)
    assert found.per_element_s == pytest.approx(2e-11, rel=0.05)


def test_intervals_cover_nine_of_ten_whatever_the_share_of_measured_kernels() -> None:
    rng, covered = np.random.default_rng(3), []
    for _ in range(40):
        fractions = np.concatenate([rng.uniform(0.3, 1, 30), np.zeros(30)])
        errors = rng.standard_normal(60) * np.hypot(0.02, 0.06 * (1 - fractions))
        known, unknown = interval_widths(errors, fractions)
        covered += [0.02 * abs(rng.standard_normal(50)) <= known, 0.0632 * abs(rng.standard_normal(50)) <= unknown]
    assert 0.86 < np.mean(covered[::2]) < 0.95
    assert 0.86 < np.mean(covered[1::2]) < 0.95
