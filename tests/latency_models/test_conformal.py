import numpy as np
import pytest
from scipy import stats

from latkit.latency_models.calibration.conformal import around, half_width

TRIALS = 500


@pytest.mark.parametrize("law", [stats.norm, stats.laplace, stats.cauchy], ids=lambda law: law.name)
@pytest.mark.parametrize("count", [9, 10, 20, 50])
def test_the_next_error_lies_inside_as_often_as_claimed_whatever_the_distribution(count: int, law) -> None:
    drawn = law.rvs(size=(TRIALS, count), random_state=count)
    widths = np.array([half_width(errors) for errors in drawn])
    assert np.mean(2 * law.cdf(widths) - 1) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("count", [3, 5, 8])
def test_few_errors_are_taken_to_be_normal(count: int) -> None:
    drawn = stats.norm.rvs(size=(TRIALS, count), random_state=count)
    means = drawn.mean(axis=1)
    left_out = (drawn - means[:, None]) * count / (count - 1)  # each less the mean of the others
    widths = np.array([half_width(errors) for errors in left_out])
    covered = stats.norm.cdf(means + widths) - stats.norm.cdf(means - widths)
    assert np.mean(covered) == pytest.approx(0.9, abs=0.02)


def test_two_errors_give_no_interval() -> None:
    assert half_width([0.1, 0.2]) is None


def test_higher_confidence_is_wider() -> None:
    errors = np.linspace(-0.1, 0.1, 101)
    widths = [half_width(errors, confidence) or 0.0 for confidence in (0.5, 0.8, 0.9, 0.99)]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


def test_an_interval_is_as_wide_up_as_down_in_the_logarithm() -> None:
    estimate = around(2.0, np.log(2))
    assert (estimate.seconds, estimate.low_s, estimate.high_s) == pytest.approx((2.0, 1.0, 4.0))
