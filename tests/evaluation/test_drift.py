"""Drift since the calibration, and the errors of predictions apart from it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from latkit._io.arrays import Floats
from latkit.errors import NotMeasured
from latkit.evaluation.coverage import coverage_percent
from latkit.evaluation.drift import Drift, drift_networks, log_drifts
from latkit.latency_models import LookupModel
from tests.builders import conv, make_measurement, measurements_of, network_of

NETWORKS = [network_of(*[conv(8)] * count) for count in range(1, 9)]
FIRST = measurements_of({conv(8): 11_000} | {one: 1000 + 10_000 * len(one.ops) for one in NETWORKS})
LATER = [make_measurement(one, 1050 + 10_500 * len(one.ops), repetition=1) for one in NETWORKS]
MODEL = LookupModel().fit([*FIRST, *LATER])


def twice(measured_s: Floats) -> Floats:
    return np.stack([measured_s, measured_s], axis=1)


def test_single_measurements_are_covered_and_not_their_mean() -> None:
    measured = np.array([[0.9, 1.1], [1.0, 1.04]])
    assert coverage_percent(np.array([[0.95, 1.05]] * 2), measured) == 50


def test_a_common_change_is_drift_and_no_error() -> None:
    predicted = np.array([MODEL.predict(one).seconds for one in NETWORKS])
    found = Drift.of(MODEL, [math.log(1.1)] * 3, predicted, twice(1.1 * predicted))
    assert found.percent == pytest.approx(10)
    assert found.mape_percent == pytest.approx(0, abs=1e-6)
    assert found.interval_coverage_percent == 100
    without = Drift.of(MODEL, [0.0] * 3, predicted, twice(1.1 * predicted))
    assert without.mape_percent == pytest.approx(100 * (1 - 1 / 1.1))
    assert without.interval_coverage_percent == 0


def test_the_interval_is_of_the_differences_within_a_time() -> None:
    assert MODEL.calibration_.relative_half_width == pytest.approx(0.05, abs=0.01)  # the two times differ by 5 %
    assert MODEL.calibration_.log_scatter == pytest.approx(0, abs=0.005)
    assert LookupModel().fit(measurements_of({conv(8): 11_000})).calibration_.log_scatter is None


def test_networks_to_measure_again_are_spread_over_the_latencies() -> None:
    then_s = drift_networks(MODEL, [*FIRST, *LATER], 3)
    assert [len(one.ops) for one in then_s] in ([1, 5, 8], [1, 4, 8])
    assert log_drifts(then_s, {one.key: 1.2 * seconds for one, seconds in then_s.items()}) == pytest.approx(
        [math.log(1.2)] * 3
    )
    with pytest.raises(NotMeasured, match="calibrated on no networks"):
        drift_networks(MODEL, [], 3)
