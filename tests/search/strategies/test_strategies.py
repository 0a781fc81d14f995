"""Every strategy keeps the protocol; each kind is one row of the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from latkit.errors import UsageError
from latkit.search.evaluators import Verdict
from latkit.search.goals import Goals
from latkit.search.strategies import STRATEGIES, Strategy, make_strategy
from latkit.search.strategies.controllers.controller import Reinforce
from latkit.search.strategies.controllers.rewards import mnasnet_reward
from tests.search.toy import ToyEvaluator, toy_space

SETTINGS: dict[str, dict[str, Any]] = {"halving": {"efforts": (1.0, 3.0, 9.0)}}
SPACE = toy_space()
GOALS = Goals.parse("score:max")
EVALUATOR = ToyEvaluator()


def make(name: str, goals: Goals = GOALS, seed: int = 0, space: Any = SPACE) -> Strategy:
    return make_strategy(name, space, goals, seed, **SETTINGS.get(name, {}))


def run(strategy: Strategy, count: int, batch: int = 1, fail_every: int = 0) -> list[tuple[int, ...]]:
    """Ask and tell in the order of asking, with up to `batch` pending."""
    found: list[tuple[int, ...]] = []
    pending: list[tuple[int, ...]] = []
    while len(found) < count:
        while len(pending) < batch:
            requested = strategy.ask(1)
            if not requested:
                break
            pending += requested
            found += requested
        if not pending:
            break
        one = pending.pop(0)
        (verdict,) = EVALUATOR.judge([one], strategy.effort(one))
        strategy.tell(one, Verdict.failed("x") if fail_every and len(found) % fail_every == 0 else verdict)
    return found


OWN = [name for name in STRATEGIES.names() if not name.startswith("optuna-")]


@pytest.fixture(params=[*OWN, pytest.param("optuna-tpe", marks=pytest.mark.slow)])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestEveryStrategy:
    @pytest.mark.parametrize("batch", [1, 5])
    def test_asks_are_valid_canonical_and_distinct_where_promised(self, name: str, batch: int) -> None:
        strategy = make(name)
        found = run(strategy, 60, batch)
        assert len(found) >= 60
        assert all(SPACE.canonical(one) == one for one in found)
        if strategy.is_distinct:
            assert len(set(found)) == len(found)

    @pytest.mark.parametrize("batch", [1, 5])
    def test_a_replay_gives_the_same_asks_and_another_seed_others(self, name: str, batch: int) -> None:
        first, second, other = (run(make(name, seed=seed), 50, batch) for seed in (3, 3, 4))
        assert first == second
        assert first != other

    def test_failures_are_verdicts(self, name: str) -> None:
        assert len(run(make(name), 60, batch=3, fail_every=4)) >= 60
        assert len(run(make(name), 40, fail_every=1)) >= 40

    def test_a_space_that_is_used_up_ends_the_asks(self, name: str) -> None:
        space = toy_space(layers=2, options=3)
        found = run(make(name, space=space), 200, batch=2)
        assert set(found) == {(a, b) for a in range(3) for b in range(3)}
        assert len(found) < 30

    def test_bounds_are_searched_within(self, name: str) -> None:
        """From a few thousand networks of which a part is refused, the best within the bound is approached."""
        goals = Goals.parse("score:max", "size<=20")
        strategy = make(name, goals)
        found = [one for one in run(strategy, 120) if sum(x * x for x in one) <= 20]
        assert len(found) >= 30

    def test_a_front_is_searched_or_refused(self, name: str) -> None:
        goals = Goals.parse("score:max", "size:min")
        if STRATEGIES.get(name).handles_front:  # type: ignore[attr-defined]
            assert len(run(make(name, goals), 40)) == 40
        else:
            with pytest.raises(UsageError, match="expected one quantity to maximize"):
                make(name, goals)

    def test_it_has_a_name_and_a_line_for_people(self, name: str) -> None:
        kind = STRATEGIES.get(name)
        assert issubclass(kind, Strategy)
        assert kind.name == name
        assert kind.summary
        assert "\n" not in kind.summary


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OWN if name not in ("random", "halving")])
def test_strategies_that_learn_find_the_best_sooner_than_random_draws(name: str) -> None:
    """1,024 networks, 80 of them requested: the mean best score of five seeds."""
    space = toy_space(layers=5)

    def mean_best(which: str) -> float:
        bests = []
        for seed in range(5):
            requested = run(make(which, seed=seed, space=space), 80)
            bests.append(max(verdict.quantities["score"] for verdict in EVALUATOR.judge(requested)))
        return sum(bests) / len(bests)

    assert mean_best(name) > mean_best("random") + 0.3


def test_an_unknown_strategy_or_setting_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown strategy 'simulated'; known strategies: bananas"):
        make_strategy("simulated", SPACE, GOALS)
    with pytest.raises(UsageError, match="unknown setting size; known settings: population, tournament"):
        make_strategy("evolution", SPACE, GOALS, size=3)
    with pytest.raises(UsageError, match="expected a tournament of 1 to 4"):
        make_strategy("evolution", SPACE, GOALS, population=4)


def test_what_a_bound_refused_teaches_a_controller_nothing() -> None:
    strategy = make("reinforce", Goals.parse("score:max", "size<=20"))
    assert isinstance(strategy, Reinforce)
    before = strategy.policy.taken([(0, 1, 2, 3)])
    for verdict, is_same in (({"size": 99.0}, True), ({"size": 9.0, "score": 1.0}, False)):
        (one,) = strategy.ask(1)
        strategy.tell(one, Verdict(verdict))
        assert np.array_equal(strategy.policy.taken([(0, 1, 2, 3)]), before) is is_same


@pytest.mark.parametrize("name", ["reinforce", "ppo", "reinforce-lstm", "ppo-lstm"])
def test_a_controller_draws_the_best_again(name: str) -> None:
    """Every reward is the same, so that only imitation teaches: of the first, which alone is within the bound."""
    strategy = make_strategy(name, SPACE, Goals.parse("score:max", "size<=20"))
    assert isinstance(strategy, Reinforce)
    first: list[tuple[int, ...]] = []
    for number in range(30):
        (one,) = strategy.ask(1)
        strategy.tell(one, Verdict({"score": 1.0, "size": 99.0 if number else 9.0}))
        first = first or strategy.elites()
    assert strategy.policy.taken(first).prod() > 3 * 4**-4


def test_within_a_bound_a_reward_does_not_depend_on_the_bounded_quantity() -> None:
    goals = Goals.parse("score:max", "size<=20")
    rewards = [mnasnet_reward(goals, Verdict({"score": 3.0, "size": size})) for size in (1.0, 20.0, 40.0)]
    assert rewards == [3.0, 3.0, 1.5]
    assert mnasnet_reward(goals, Verdict({"score": 3.0, "size": 10.0}), -0.07) == pytest.approx(3 * 2**0.07)
