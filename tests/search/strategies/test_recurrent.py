"""The recurrent policy: its probabilities, and its gradient against finite differences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from latkit.search.strategies.controllers.lstm import LstmSettings
from latkit.search.strategies.controllers.lstm_policy import LstmPolicy
from latkit.spaces.base import Architecture
from tests.search.toy import toy_space

SPACE = toy_space(layers=3, options=3)
EVERY: list[Architecture] = list(itertools.product(range(3), repeat=3))


def policy(entropy: float = 0.0, rate: float = 0.05) -> LstmPolicy:
    found = LstmPolicy(SPACE, np.random.default_rng(1), LstmSettings(5, rate, entropy))
    found.lstm.parameters = found.lstm.parameters * 10  # far from uniform
    return found


def joint(one: LstmPolicy, rows: list[Architecture]) -> np.ndarray:
    return one.taken(rows).prod(axis=1)


def test_a_probability_is_given_to_each_architecture_and_draws_follow_it() -> None:
    one = policy()
    expected = joint(one, EVERY)
    assert expected.sum() == pytest.approx(1)
    assert expected.max() > 2 * expected.min()
    drawn = one.draw(20_000)
    frequencies = np.array([drawn.count(each) for each in EVERY]) / len(drawn)
    assert np.abs(frequencies - expected).max() < 0.015


@pytest.mark.parametrize("entropy", [0.0, 0.3])
def test_the_gradient_is_that_of_the_objective(entropy: float) -> None:
    one, rows = policy(entropy), [(0, 1, 2), (2, 1, 0), (2, 2, 2)]
    weights = np.random.default_rng(2).normal(size=(3, 3))

    def objective() -> float:
        total = float((weights * np.log(one.taken(rows))).sum())
        for row, at in itertools.product(rows, range(3)):
            p = one.taken([(*row[:at], option, *row[at + 1 :]) for option in range(3)])[:, at]
            total -= entropy * float((p * np.log(p)).sum())
        return total

    lstm = one.lstm
    found, start = lstm.gradient(lstm.follow(np.array(rows).T), weights.T), lstm.parameters
    for at in np.random.default_rng(3).permutation(len(start))[:60]:
        step = np.zeros_like(start)
        step[at] = 1e-5
        lstm.parameters = start + step
        above = objective()
        lstm.parameters = start - step
        assert found[at] == pytest.approx((above - objective()) / 2e-5, abs=1e-6)


def test_steps_raise_the_probability_of_what_is_rewarded() -> None:
    one, row = policy(), [(0, 1, 2)]
    before = joint(one, row)[0]
    for _ in range(10):
        one.ascend(row, np.ones((1, 3)))
    assert joint(one, row)[0] > min(2 * before, 0.9)


def test_a_step_on_what_was_drawn_is_that_on_what_is_given() -> None:
    drawn, given = policy(0.1), policy(0.1)
    row = drawn.draw(6)[2]
    for one in (drawn, given):
        one.ascend([row], np.array([[0.3, -0.2, 1.0]]))
    assert np.allclose(drawn.lstm.parameters, given.lstm.parameters, rtol=1e-9, atol=1e-12)
