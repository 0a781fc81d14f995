"""The statistics of an A/B comparison, on given samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from latkit.errors import NotMeasured
from latkit.evaluation.ab import (
    MAX_HALF_WIDTH,
    MIN_PASSES,
    difference,
    is_precise,
    of_intervals,
    signed_rank_interval,
)

DRAWS = 1000


def heavy(rng: np.random.Generator, count: int) -> np.ndarray:
    """Symmetric noise with heavy tails, as the difference of two one-sided disturbances."""
    return 0.01 * (rng.lognormal(0, 1, count) - rng.lognormal(0, 1, count))


def test_the_interval_inverts_the_signed_rank_test_of_scipy() -> None:
    values = np.random.default_rng(3).normal(0.02, 0.03, 20)
    low, middle, high = signed_rank_interval(values, 0.95)
    for bound in (low, high):
        inside = bound + (1e-9 if bound == low else -1e-9)
        outside = bound - (1e-9 if bound == low else -1e-9)
        assert stats.wilcoxon(values - inside, method="exact").pvalue > 0.05
        assert stats.wilcoxon(values - outside, method="exact").pvalue <= 0.05
    assert low < middle < high


@pytest.mark.parametrize("count", [MIN_PASSES, 30])
def test_equal_models_give_no_more_false_alarms_than_the_level(count: int) -> None:
    rng = np.random.default_rng(count)
    alarms = sum(difference(heavy(rng, count)).verdict != "no difference" for _ in range(DRAWS))
    assert alarms <= 0.01 * DRAWS + 3 * math.sqrt(0.01 * DRAWS)


def test_drift_that_both_orders_share_makes_no_alarm() -> None:
    """A drift changes the sign of its effect with the order, which is drawn at random."""
    rng = np.random.default_rng(5)
    drift = 0.05 * np.abs(np.sin(np.arange(24)))
    alarms = sum(difference(drift * rng.choice([-1, 1], 24)).verdict != "no difference" for _ in range(DRAWS))
    assert alarms <= 0.01 * DRAWS + 3 * math.sqrt(0.01 * DRAWS)


def test_three_percent_is_found_where_the_interval_is_narrow_enough() -> None:
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(200):
        values = [math.log(1.03) + value for value in rng.normal(0, 0.03, MIN_PASSES)]
        while not is_precise(values):
            values.append(math.log(1.03) + rng.normal(0, 0.03))
        found += difference(values).verdict == "slower"
    assert found >= 190


def test_an_outlier_does_not_decide() -> None:
    values = [0.001, -0.001] * 10
    assert abs(difference([*values, 3.0]).percent) < 0.2
    assert not is_precise([0.1, -0.1] * 6)


def test_effect_size_and_bounds() -> None:
    found = difference(np.linspace(0.01, 0.03, 21))
    assert found.percent == pytest.approx(100 * (math.exp(0.02) - 1))
    assert found.effect_size == pytest.approx(0.02 / np.linspace(0.01, 0.03, 21).std(ddof=1))
    assert found.interval_percent[0] < found.percent < found.interval_percent[1]
    assert difference([0.5] * MIN_PASSES).effect_size is None
    assert MAX_HALF_WIDTH < 0.03


def test_too_few_passes_are_refused() -> None:
    with pytest.raises(NotMeasured, match="found 3"):
        difference([0.0, 0.1, 0.2])


def test_latencies_measured_apart() -> None:
    same = of_intervals((0.99, 1.0, 1.01), (0.99, 1.0, 1.01))
    assert same.verdict == "no difference"
    assert same.low < 0.986
    slower = of_intervals((0.999, 1.0, 1.001), (1.049, 1.05, 1.051))
    assert slower.verdict == "slower"
    assert slower.percent == pytest.approx(5)
    skewed = of_intervals((0.5, 1.0, 1.0), (1.0, 1.0, 1.0))
    assert skewed.low == pytest.approx(1.0)
    assert skewed.high > 2
