"""Rounds that something disturbed do not count."""

from __future__ import annotations

from dataclasses import replace

from latkit.timing import Measurement, Round, estimate, without_slow_rounds
from tests.builders import make_measurement, make_round
from tests.timing.test_estimator_selection import measured

FAST, NOISY = make_round([30_000] * 3, 100_000), make_round([57_000] * 3, 128_000)
"""A short network suffers more than the reference."""


def of(*rounds: Round, reference_s: float | None = None) -> Measurement:
    one = measured(8, [])
    return replace(one, rounds=rounds, plan=replace(one.plan, rounds=6), reference_s=reference_s)


def test_the_majority_may_be_noisy() -> None:
    one = of(*[FAST] * 3, *[NOISY] * 5)
    assert estimate(one, 1e-4, "steady").seconds > 44e-6
    assert (found := without_slow_rounds(one)) is not None
    assert found.rounds == (FAST,) * 3
    assert estimate(found, 1e-4, "steady").seconds == 30e-6


def test_fewer_than_three_undisturbed_rounds_are_none() -> None:
    assert without_slow_rounds(of(*[FAST] * 2, *[NOISY] * 5)) is None
    assert without_slow_rounds(make_measurement(measured(8, []).workload, 1000)) is not None, "of two that were planned"


def test_a_measurement_that_was_noisy_from_beginning_to_end_is_none() -> None:
    assert without_slow_rounds(of(*[NOISY] * 6, reference_s=1e-4)) is None
    assert without_slow_rounds(of(*[FAST] * 6, reference_s=1e-4)) is not None


def test_long_runs_need_every_round() -> None:
    long, slow = make_round([10_000_000] * 3, 100_000), make_round([19_000_000] * 3, 128_000)
    assert without_slow_rounds(one := of(*[long] * 3, *[slow] * 3)) == one
