import numpy as np
import pytest

from latkit.latency_models.calibration.model import fit_calibration
from latkit.latency_models.calibration.terms import NetworkParts


def parts(networks: int) -> NetworkParts:
    """Sums of ops, conversions of up to 5 % of them, and 1 to 10 MB of weights."""
    rng = np.random.default_rng(0)
    ranges = ((5e-3, 8e-3), (0, 3e-4), (1e6, 1e7))
    return NetworkParts(*(rng.uniform(*bounds, networks) for bounds in ranges), op_counts=np.zeros(networks))


def test_conversions_and_weights_have_terms_of_their_own_where_networks_show_them() -> None:
    known = parts(30)
    measured = 1e-6 + known.array() @ [1.1, 2, 4e-11, 0]
    found = fit_calibration(known, measured, 1e-6)
    assert found.scale == pytest.approx(1.1, rel=5e-3)
    assert found.conversion_scale == pytest.approx(2, rel=0.1)
    assert found.weight_s_per_byte == pytest.approx(4e-11, rel=0.1)
    assert max(map(abs, found.errors)) < 0.01
    unscaled = fit_calibration(NetworkParts.without_conversions(known.sums_s, np.zeros(30)), measured, 1e-6)
    assert (unscaled.conversion_scale, unscaled.weight_s_per_byte) == (None, 0)
    assert max(map(abs, unscaled.errors)) > 0.02


def test_no_term_is_negative_and_a_disturbed_network_does_not_move_them() -> None:
    known = parts(12)
    measured = known.array() @ [1.2, 1.2, 0, 0]
    measured[3] *= 2
    found = fit_calibration(known, measured, 0.0)
    assert found.scale == pytest.approx(1.2, rel=0.01)
    assert found.weight_s_per_byte == pytest.approx(0, abs=5e-12)
    assert fit_calibration(known, known.array() @ [1.2, 1.2, -4e-11, 0], 0.0).weight_s_per_byte == 0


def test_five_networks_have_one_scale() -> None:
    known = parts(5)
    found = fit_calibration(known, known.array() @ [1.1, 2, 4e-11, 0], 0.0)
    assert (found.conversion_scale, found.weight_s_per_byte) == (None, 0)


def test_short_ops_cost_less_in_a_network_where_networks_show_it() -> None:
    rng = np.random.default_rng(0)
    sums, nothing = rng.uniform(14e-6, 34e-6, 20), np.zeros(20)
    counts = np.round(sums * rng.uniform(2e5, 5e5, 20))
    known = NetworkParts(sums, nothing, nothing, counts)
    found = fit_calibration(known, 2e-6 + known.array() @ [0.95, 0, 0, -0.5e-6], 2e-6)
    assert found.per_op_s == pytest.approx(-0.5e-6, rel=0.2)
    assert max(map(abs, found.errors)) < 0.01
    assert found.op_seconds(1e-7, 0) == 0.0
    assert found.to_json()["per_op_s"] == found.per_op_s
    assert "per_op_s" not in fit_calibration(NetworkParts.without_conversions(sums, nothing), sums, 0.0).to_json()
