"""What widens an interval beyond what the visits of a measurement show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latkit.timing import Measurement, estimate
from latkit.timing.disturbance import CONTENDED_WIDENING, DRIFTING_WIDENING, UNPINNED_WIDENING, widening
from tests.builders import SETUP, conv, make_measurement, make_visit

QUIET = make_measurement(conv(8), 1000, setup=replace(SETUP, affinity="0"))
UNPINNED = replace(QUIET, setup=SETUP)
DRIFTING = replace(QUIET, visits=(make_visit([1000] * 3, 1000), make_visit([1200] * 3, 1200)))
CONTENDED = replace(QUIET, visits=(make_visit([1000] * 3, preemptions=(1, 1, 0)),) * 2)


@pytest.mark.parametrize(
    ("measurement", "width"),
    [(QUIET, 0.0), (UNPINNED, UNPINNED_WIDENING), (DRIFTING, DRIFTING_WIDENING), (CONTENDED, CONTENDED_WIDENING)],
)
def test_each_disturbance_widens(measurement: Measurement, width: float) -> None:
    assert widening(measurement) == pytest.approx(width)
    assert (width > 0) == (measurement is not QUIET)


def test_several_widen_like_independent_errors() -> None:
    both = replace(DRIFTING, setup=SETUP)
    assert widening(both) == pytest.approx((UNPINNED_WIDENING**2 + DRIFTING_WIDENING**2) ** 0.5)


def test_an_interval_is_widened_to_both_sides() -> None:
    quiet, unpinned = estimate(QUIET, 1e-6), estimate(UNPINNED, 1e-6)
    assert (quiet.low_s, quiet.high_s) == pytest.approx((quiet.seconds, quiet.seconds))
    assert unpinned.seconds == quiet.seconds
    assert unpinned.low_s == pytest.approx(quiet.seconds * (1 - UNPINNED_WIDENING), rel=1e-4)
    assert unpinned.high_s == pytest.approx(quiet.seconds * (1 + UNPINNED_WIDENING), rel=1e-4)
