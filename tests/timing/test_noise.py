"""What widens an interval beyond the spread of a measurement's rounds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latkit.timing import Measurement, estimate
from latkit.timing.noise import CONTENDED_WIDENING, DRIFTING_WIDENING, UNPINNED_WIDENING, widening
from tests.builders import ENVIRONMENT, conv, make_measurement, make_round

IDLE = make_measurement(conv(8), 1000, environment=replace(ENVIRONMENT, affinity="0"))
UNPINNED = replace(IDLE, environment=ENVIRONMENT)
DRIFTING = replace(IDLE, rounds=(make_round([1000] * 3, 1000), make_round([1200] * 3, 1200)))
CONTENDED = replace(IDLE, rounds=(make_round([1000] * 3, preemptions=(1, 1, 0)),) * 2)


@pytest.mark.parametrize(
    ("measurement", "width"),
    [(IDLE, 0.0), (UNPINNED, UNPINNED_WIDENING), (DRIFTING, DRIFTING_WIDENING), (CONTENDED, CONTENDED_WIDENING)],
)
def test_each_source_of_noise_widens_the_interval(measurement: Measurement, width: float) -> None:
    assert widening(measurement) == pytest.approx(width)
    assert (width > 0) == (measurement is not IDLE)


def test_several_widen_like_independent_errors() -> None:
    both = replace(DRIFTING, environment=ENVIRONMENT)
    assert widening(both) == pytest.approx((UNPINNED_WIDENING**2 + DRIFTING_WIDENING**2) ** 0.5)


def test_an_interval_is_widened_to_both_sides() -> None:
    idle, unpinned = estimate(IDLE, 1e-6), estimate(UNPINNED, 1e-6)
    assert (idle.low_s, idle.high_s) == pytest.approx((idle.seconds, idle.seconds))
    assert unpinned.seconds == idle.seconds
    assert unpinned.low_s == pytest.approx(idle.seconds * (1 - UNPINNED_WIDENING), rel=1e-4)
    assert unpinned.high_s == pytest.approx(idle.seconds * (1 + UNPINNED_WIDENING), rel=1e-4)
