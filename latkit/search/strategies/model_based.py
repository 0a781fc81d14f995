"""Model-based search: a predictor, Thompson sampling, and mutations of the best (BANANAS, White et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latkit._io import one_line
from latkit.errors import UsageError
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import INSIDE, Goals, Rank
from latkit.search.strategies.base import Strategy
from latkit.search.strategies.moves import Neighborhood, OpenBest
from latkit.search.strategies.predictors import PREDICTORS, FeatureRows, Predictor, standardize
from latkit.spaces.base import Architecture, Space

MIN_FITTED = 3
"""Values that a predictor needs at least."""


@dataclass(frozen=True)
class ModelBasedSettings:
    """The predictor and where it looks for the next architecture."""

    predictor: str = "gp"
    start: int = 10
    """Random architectures before the predictor is used."""
    incumbents: int = 5
    """The best architectures that have new neighbors, all of which are candidates."""
    draws: int = 100
    """Random candidates beside them."""
    refit: int = 1
    """New values after which the predictor is fitted anew."""

    def __post_init__(self) -> None:
        if self.predictor not in PREDICTORS:
            raise UsageError(
                f"unknown predictor {one_line(self.predictor, 80)}; known predictors: {', '.join(sorted(PREDICTORS))}"
            )
        if min(self.start, self.incumbents, self.refit) < 1 or self.draws < 0:
            raise UsageError("model-based search: expected start, incumbents and refit of at least 1")


@dataclass(frozen=True)
class LightSettings(ModelBasedSettings):
    """Bagged ridge regressions."""

    predictor: str = "ridge"


@dataclass(frozen=True)
class BananasSettings(ModelBasedSettings):
    """An ensemble of networks."""

    predictor: str = "ensemble"


class ModelBased(Strategy):
    """Asks for the candidate with the greatest value in one random draw of the predictor (Thompson sampling).

    Until a new value arrives, the draw's next best follow: while others are pending, or where a bound refused one.
    """

    name: ClassVar[str] = "model-based"
    summary: ClassVar[str] = "Gaussian process, Thompson sampling, mutations of the best"
    settings_type: ClassVar[type[Any]] = ModelBasedSettings

    def __init__(self, space: Space, goals: Goals, seed: int = 0, settings: Any = None) -> None:
        super().__init__(space, goals, seed, settings)
        self._neighborhood = Neighborhood(self)
        self._predictor: Predictor = PREDICTORS[self.settings.predictor](np.random.default_rng([seed, 11]))
        self._features = FeatureRows(space)
        self._open = OpenBest(self, self._neighborhood)
        self._history: list[tuple[Architecture, float]] = []
        """What has a value of the goal."""
        self._outside: list[tuple[Rank, Architecture]] = []
        self._fitted = 0
        self._ranked: list[Architecture] = []
        """The candidates of the last draw, the best at the end."""

    def tell(self, architecture: Architecture, verdict: Verdict) -> None:
        """Add the goal's value; what a bound refused before it was evaluated is only not requested again."""
        goal, rank = self.goals.goals[0], self.goals.rank(verdict)
        if verdict.failure:
            return
        if goal.quantity in verdict.quantities:
            self._history.append((architecture, goal.value(verdict)))
            self._open.add(rank, architecture)
        if rank[0] != INSIDE:
            self._outside = sorted([*self._outside, (rank, architecture)], reverse=True)[: self.settings.incumbents]

    def propose(self) -> Architecture | None:
        """Random architectures at first, then the best candidates of a draw."""
        if len(self._history) < max(self.settings.start, MIN_FITTED):
            if len(self.requested) >= 10 * self.settings.start and self._outside and not self._history:
                return self._neighborhood.mutate(self.rng.choice(self._outside)[1])
            return self.sample_new()
        if self._fitted + self.settings.refit <= len(self._history) or not self._fitted:
            self._predictor.fit(
                self._features.of(one for one, _ in self._history),
                standardize(np.array([value for _, value in self._history])),
            )
            self._fitted, self._ranked = len(self._history), []
        if not self._ranked and (candidates := self._candidates()):
            order = np.argsort(self._predictor.draw(self._features.of(candidates)), kind="stable")
            self._ranked = [candidates[at] for at in order.tolist()]
        return self._ranked.pop() if self._ranked else self.sample_new()

    def _candidates(self) -> list[Architecture]:
        """Neighbors of the best architectures that have new ones, and random ones; none was requested."""
        best = self._open.best(self.settings.incumbents)
        near = [neighbor for one in best for neighbor in self._neighborhood.of(one)]
        far = [self.canonical(self.space.sample(self.rng)) for _ in range(self.settings.draws)]
        return [one for one in dict.fromkeys((*near, *far)) if one not in self.requested]


class ModelBasedLight(ModelBased):
    """Bagged ridge regressions as the predictor."""

    name: ClassVar[str] = "model-based-light"
    summary: ClassVar[str] = "bagged ridge regressions, Thompson sampling, mutations of the best"
    settings_type: ClassVar[type[Any]] = LightSettings


class Bananas(ModelBased):
    """An ensemble of networks as the predictor."""

    name: ClassVar[str] = "bananas"
    summary: ClassVar[str] = "ensemble of random-feature networks, Thompson sampling, mutations (White et al. 2021)"
    settings_type: ClassVar[type[Any]] = BananasSettings
