import numpy as np
import pytest

from latkit.latency_models.calibration import fit_calibration


def test_conversions_have_a_scale_of_their_own_where_networks_show_one():
    rng = np.random.default_rng(0)
    sums, conversions = rng.uniform(5e-3, 8e-3, 30), rng.uniform(0, 3e-4, 30)
    measured = 1e-6 + 1.1 * sums + 4 * conversions
    found = fit_calibration(sums, measured, 1e-6, conversions)
    assert found.scale == pytest.approx(1.1, rel=5e-3)
    assert found.conversion_scale == pytest.approx(4, rel=0.1)
    assert max(map(abs, found.errors)) < 0.01
    without = fit_calibration(sums, measured, 1e-6, np.zeros(30))
    assert without == fit_calibration(sums, measured, 1e-6)
    assert max(map(abs, without.errors)) > 0.02
