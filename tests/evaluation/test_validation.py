"""Which two measurements of a network count."""

from __future__ import annotations

from dataclasses import replace

from latkit.evaluation.validation import accepted_pair, is_conclusive
from latkit.timing import Measurement, Round
from tests.builders import conv, make_measurement, make_round, network_of

NETWORK = network_of(conv(4))
FAST, SLOW = make_round([30_000] * 3, 100_000), make_round([57_000] * 3, 128_000)
"""A short network suffers more than the reference from what disturbs both."""


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


def test_slow_rounds_do_not_count_wherever_measurements_are_chosen() -> None:
    """The search, validation and the cross table choose alike, from what is stored."""

    def of(repetition: int, *rounds: Round) -> Measurement:
        one = make_measurement(NETWORK, 1000, repetition=repetition)
        return replace(one, rounds=rounds, plan=replace(one.plan, rounds=6))

    disturbed = {0: of(0, *[SLOW] * 3, *[FAST] * 3), 1: of(1, *[FAST] * 6)}
    assert is_conclusive(disturbed, seconds_of)
    assert [one.rounds for one in accepted_pair(disturbed, seconds_of)] == [(FAST,) * 3, (FAST,) * 6]
    without_others = {0: of(0, *[SLOW] * 5, FAST), 1: of(1, *[FAST] * 6)}
    assert not is_conclusive(without_others, seconds_of)
    assert accepted_pair(without_others, seconds_of) == tuple(without_others.values())
