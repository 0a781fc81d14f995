"""What strategies share: mutations of the best that has new neighbors, and a predictor's draws."""

from __future__ import annotations

import numpy as np

from latkit.search.evaluators import Verdict
from latkit.search.goals import Goals
from latkit.search.strategies import make_strategy
from latkit.search.strategies.moves import Neighborhood, OpenBest
from latkit.search.strategies.predictors import GaussianProcess
from tests.search.toy import toy_space

SPACE = toy_space()
GOALS = Goals.parse("score:max")


def test_the_best_that_has_new_neighbors_is_mutated() -> None:
    strategy = make_strategy("random", SPACE, GOALS)
    neighborhood = Neighborhood(strategy)
    ranked = OpenBest(strategy, neighborhood)
    best, second = (0, 0, 0, 0), (3, 3, 3, 3)
    ranked.add((1, 1.0), second)
    ranked.add((1, 2.0), best)
    assert ranked.best(2) == [best, second]
    strategy.requested.update(neighborhood.of(best))
    assert ranked.best(2) == [second]
    child = ranked.mutate()
    assert child in neighborhood.of(second)
    assert strategy.parents == {child: second}
    strategy.requested.update(neighborhood.of(second))
    assert ranked.mutate() is None


def test_parents_without_new_neighbors_leave_an_evolution_of_a_front() -> None:
    strategy = make_strategy("nsga2", SPACE, GOALS, population=2, crossover=0.0)
    for one, score in (((0, 0, 0, 0), 2.0), ((3, 3, 3, 3), 1.0)):
        strategy.requested.add(one)
        strategy.tell(one, Verdict({"score": score}))
    strategy.requested.update(Neighborhood(strategy).of((0, 0, 0, 0)))
    assert {strategy.parents[one] for one in strategy.ask(8)} == {(3, 3, 3, 3)}


def test_the_best_of_ten_random_architectures_is_where_the_comparison_of_all_neighbors_begins() -> None:
    strategy = make_strategy("local-search-best", SPACE, GOALS)
    proposed = []
    for number in range(10):
        proposed += strategy.ask(1)
        strategy.tell(proposed[-1], Verdict({"score": 9.0 if number == 4 else 1.0}))
    assert not strategy.parents
    (child,) = strategy.ask(1)
    assert strategy.parents == {child: proposed[4]}


def test_similar_points_are_drawn_together() -> None:
    x = np.random.default_rng(0).integers(0, 2, (20, 8)).astype(float)
    process = GaussianProcess(np.random.default_rng(1))
    process.fit(x, np.random.default_rng(2).standard_normal(20))
    far = np.full((1, 8), 3.0)
    pairs = np.array([process.draw(np.concatenate((far, far + 1e-3, -far))) for _ in range(50)])
    assert np.abs(pairs[:, 0] - pairs[:, 1]).max() < 0.1
    assert np.abs(pairs[:, 0] - pairs[:, 2]).std() > 0.3
