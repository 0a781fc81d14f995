"""Which estimator suits the samples of a device."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from latkit.errors import NotMeasured
from latkit.timing import DEFAULT_ESTIMATOR, Measurement, estimate, select_estimator
from latkit.timing.estimator_selection import halves
from tests.builders import ENVIRONMENT, PLAN, TARGET, conv, make_round

FAST, SLOW = 0.8, 1.0
"""A run's time in the two steps of a device's speed, in units of the slower one."""


def measured(channels: int, rounds: Sequence[tuple[float, float]]) -> Measurement:
    """An op of 0.4 ms by rounds in which it and the reference took this multiple of their usual time."""
    made = [make_round([int(4e5 * own)] * 3, int(1e5 * reference)) for own, reference in rounds]
    return Measurement(conv(channels), TARGET, ENVIRONMENT, PLAN, tuple(made))


def stepping() -> list[Measurement]:
    """A device whose rounds are at one of two speeds, rarely the fast one, and whose reference is at the same."""
    rng = random.Random(0)
    steps = [[FAST if rng.random() < 0.2 else SLOW for _ in range(12)] for _ in range(30)]
    return [measured(8 + number, [(step**0.5, step) for step in row]) for number, row in enumerate(steps)]


def noisy() -> list[Measurement]:
    """A device of one speed: some runs are undisturbed, and the noise of the others is unrelated to the reference's."""
    rng = random.Random(0)

    def slowed() -> float:
        return 1 + rng.choice([0, rng.random()])

    return [measured(8 + number, [(slowed(), slowed()) for _ in range(12)]) for number in range(30)]


def test_a_device_whose_speed_moves_in_steps_is_judged_within_each_round() -> None:
    assert select_estimator(stepping()) == "steady"


def test_a_device_of_one_speed_is_judged_by_its_fastest_runs() -> None:
    assert select_estimator(noisy()) == DEFAULT_ESTIMATOR == "matched"


def test_steady_takes_the_usual_step() -> None:
    one = measured(8, [(SLOW, SLOW)] * 5 + [(SLOW, FAST)])
    assert estimate(one, 1e-4, "steady").seconds == pytest.approx(4e-4)
    assert estimate(one, 1e-4, "matched").seconds == pytest.approx(4e-4 / FAST), "of another step than the reference"


def test_too_few_rounds_select_no_estimator() -> None:
    assert select_estimator([measured(8, [(1.0, 1.0), (2.0, 1.0), (1.0, 2.0)])]) == DEFAULT_ESTIMATOR
    with pytest.raises(NotMeasured):
        select_estimator([])


def test_halves_hold_alternate_rounds() -> None:
    one = measured(8, [(1.0 + number, 1.0) for number in range(5)])
    first, second = halves(one)
    assert (first.rounds, second.rounds) == (one.rounds[::2], one.rounds[1::2])
