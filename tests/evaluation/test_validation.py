"""Which two measurements of a network count."""

from __future__ import annotations

from latkit.evaluation.validation import accepted_pair, is_conclusive
from latkit.timing import Measurement
from tests.builders import conv, make_measurement, network_of

NETWORK = network_of(conv(4))


def measured(*nanoseconds: int) -> dict[int, Measurement]:
    return {index: make_measurement(NETWORK, ns, repetition=index) for index, ns in enumerate(nanoseconds)}


def seconds_of(measurement: Measurement) -> float:
    return measurement.rounds[0].wall_ns[0] / 1e9


def accepted(*nanoseconds: int) -> list[int]:
    return [measurement.repetition for measurement in accepted_pair(measured(*nanoseconds), seconds_of)]


def test_the_first_two_that_agree_count() -> None:
    assert accepted(1000, 1040) == [0, 1]
    assert accepted(1000, 1200, 1100, 1100) == [2, 3]
    assert accepted(1000, 1000, 1100, 1100) == [0, 1]


def test_the_latest_two_count_where_none_agree() -> None:
    assert accepted(1000, 1200) == [0, 1]
    assert accepted(1000, 1200, 1300, 1100) == [2, 3]
    assert accepted(1000, 1200, 1300, 1100, 1500) == [2, 3]


def test_one_measurement_is_no_pair() -> None:
    assert accepted() == accepted(1000) == []
    without_the_first = {index: m for index, m in measured(1000, 1000, 1100, 1100).items() if index}
    assert [m.repetition for m in accepted_pair(without_the_first, seconds_of)] == [2, 3]


def test_it_is_measured_anew_until_two_agree_or_three_times() -> None:
    assert is_conclusive(measured(1000, 1040), seconds_of)
    assert not is_conclusive(measured(1000, 1060), seconds_of)
    assert not is_conclusive(measured(1000), seconds_of)
    assert not is_conclusive(measured(1000, 1200, 1200, 1000), seconds_of)
    assert is_conclusive(measured(1000, 1200, 1200, 1000, 1000, 1200), seconds_of)
