"""Neural Architect: a controller that transforms known architectures, trained on predicted and found rewards.

Zhou & Diamos 2018 (SysML); Zhou et al. 2018, arXiv 1806.07912, sections 3.1 and 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latkit._io.arrays import Floats, Integers
from latkit.errors import UsageError
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import Goals, dominates
from latkit.search.strategies.base import Strategy
from latkit.search.strategies.controllers.lstm import Lstm, LstmSettings
from latkit.search.strategies.controllers.policies import option_offsets
from latkit.search.strategies.moves import Neighborhood
from latkit.search.strategies.predictors import BaggedRidge, FeatureRows, standardize
from latkit.spaces.base import Architecture, Space

KEEP = 0
"""The action that leaves a choice as it is; action n + 1 gives it option n."""
MAX_BATCHES = 5
"""Batches of children that may all be known before a neighbor is taken."""


@dataclass(frozen=True)
class NeuralArchitectSettings:
    """The controller, and what it starts from."""

    start: int = 10
    """Random architectures before the first transformation."""
    parents: int = 5
    """The best architectures, one of which is transformed; of several goals, those of the front."""
    children: int = 8
    """Transformations drawn at a time, of which the one with the best predicted reward is evaluated."""
    refit: int = 5
    """New values after which the predictor is fitted anew."""
    hidden: int = 32
    learning_rate: float = 0.02
    """Of Adam."""
    entropy: float = 0.05
    """Weight of the policy's entropy."""

    def __post_init__(self) -> None:
        numbers = (self.start, self.parents, self.children, self.refit, self.hidden)
        if min(numbers) < 1 or self.entropy < 0 or self.learning_rate <= 0:
            raise UsageError(
                "neural architect: expected start, parents, children, refit and hidden of at least 1, a learning "
                "rate above 0 and an entropy weight of at least 0"
            )


@dataclass(frozen=True, slots=True)
class _Change:
    """A transformation: the options of the parent, and the action on each free choice."""

    tokens: tuple[int, ...]
    actions: tuple[int, ...]


class NeuralArchitect(Strategy):
    """An LSTM reads a parent choice by choice and keeps, replaces, removes or inserts what is there.

    An option that leaves an op out, such as `skip`, removes it; one that takes the place of such an option inserts one.
    The policy learns from the predicted rewards of all transformations drawn, and from what evaluations find.
    """

    name: ClassVar[str] = "neural-architect"
    summary: ClassVar[str] = "recurrent controller that transforms the best, predicted rewards (Zhou & Diamos 2018)"
    handles_front: ClassVar[bool] = True
    settings_type: ClassVar[type[Any]] = NeuralArchitectSettings

    def __init__(self, space: Space, goals: Goals, seed: int = 0, settings: Any = None) -> None:
        super().__init__(space, goals, seed, settings)
        self._neighborhood = Neighborhood(self)
        self._generator = np.random.default_rng([seed, 13])
        tied = [choice.tied_to for choice in space.choices]
        self._free = [at for at, leader in enumerate(tied) if leader is None]
        self._place = [self._free.index(at if leader is None else leader) for at, leader in enumerate(tied)]
        options = option_offsets(space)[self._free]
        count = options.shape[1]
        keep = np.full((len(options), 1), np.log(max(len(options) - 1, 1) * count))  # one change on average
        network = LstmSettings(self.settings.hidden, self.settings.learning_rate, self.settings.entropy)
        self._actions = count + 1
        self._lstm = Lstm(np.hstack((keep, options)), count, self._generator, network)
        self._predictors = [BaggedRidge(self._generator) for _ in goals.goals]
        self._history: list[tuple[Architecture, tuple[float, ...]]] = []
        """What is within the bounds, with the values of the goals."""
        self._features = FeatureRows(space)
        self._fitted = 0
        self._changes: dict[Architecture, tuple[_Change, float]] = {}
        """By requested child, the transformation and the parent's predicted reward."""
        self._weights: Floats = np.ones(len(goals.goals))

    def tell(self, architecture: Architecture, verdict: Verdict) -> None:
        """Learn from the reward; what failed counts as one spread below its parent.

        What a bound refused teaches nothing, as it does with the other controllers.
        """
        is_met = self.goals.is_met(verdict)
        if is_met:
            self._history.append((architecture, self.goals.values(verdict)))
        change, before = self._changes.pop(architecture, (None, 0.0))
        if change is not None and (is_met or verdict.failure):
            advantage = self._standing(self.goals.values(verdict)) - before if is_met else -1.0
            self._learn([change], np.array([advantage]))

    def propose(self) -> Architecture | None:
        """Random architectures at first, then transformations of the best."""
        if len(self._history) < max(self.settings.start, 3):
            return self.sample_new()
        self._fit()
        self._weights = self._generator.dirichlet(np.ones(len(self.goals.goals)))
        parents = self._parents()
        for _ in range(MAX_BATCHES):
            parent = parents[self.rng.randrange(len(parents))]
            if (child := self._best_child(parent)) is not None:
                self.parents[child] = parent
                return child
        return self._best_neighbor(parents) or self._neighborhood.mutate(parents[0])

    def _best_child(self, parent: Architecture) -> Architecture | None:
        """Of some transformations, the new one with the best predicted reward; the policy learns from all."""
        drawn = self._draw(parent)
        known = {child: change for change, child in drawn if child != parent}
        if not known:
            return None
        rewards = self._predict([parent, *known])
        self._learn(list(known.values()), rewards[1:] - rewards[0])
        order: list[int] = np.argsort(-rewards[1:], kind="stable").tolist()
        children = list(known)
        for at in order:
            if children[at] not in self.requested:
                self._changes[children[at]] = known[children[at]], float(rewards[0])
                return children[at]
        return None

    def _best_neighbor(self, parents: list[Architecture]) -> Architecture | None:
        """The new neighbor of a parent with the best predicted reward: a pool holds few of the transformations."""
        near = {one: parent for parent in parents for one in self._neighborhood.of(parent) if one not in self.requested}
        if not near:
            return None
        found = list(near)[int(np.argmax(self._predict(list(near))))]
        self.parents[found] = near[found]
        return found

    def _draw(self, parent: Architecture) -> list[tuple[_Change, Architecture]]:
        """Transformations, with the valid children that they give."""
        options = np.array([parent[at] for at in self._free])
        tokens: Integers = np.repeat(options[:, None], self.settings.children, axis=1)
        actions = self._lstm.draw(self._generator.gumbel(size=(*tokens.shape, self._actions)), tokens).options
        changed = np.where(actions == KEEP, tokens, actions - 1)
        found: list[tuple[_Change, Architecture]] = []
        for taken, row in zip(actions.T.tolist(), changed.T.tolist(), strict=True):
            try:
                child = self.canonical(tuple(row[place] for place in self._place))
            except UsageError:
                continue
            found.append((_Change(tuple(options.tolist()), tuple(taken)), child))
        return found

    def _learn(self, changes: list[_Change], advantages: Floats) -> None:
        """One step of REINFORCE."""
        tokens, actions = (
            np.array(rows).T for rows in zip(*((one.tokens, one.actions) for one in changes), strict=True)
        )
        weights = np.repeat(np.clip(advantages, -3, 3)[None] / len(changes), len(self._free), axis=0)
        self._lstm.ascend(self._lstm.follow(actions, tokens), weights)

    def _parents(self) -> list[Architecture]:
        if self.goals.is_front:
            values = [one for _, one in self._history]
            return [one for one, own in self._history if not any(dominates(other, own) for other in values)]
        best = sorted(self._history, key=lambda one: one[1], reverse=True)
        return [one for one, _ in best[: self.settings.parents]]

    def _fit(self) -> None:
        """Learn rewards from the features of everything within the bounds."""
        if self._fitted and len(self._history) < self._fitted + self.settings.refit:
            return
        self._fitted = len(self._history)
        self._found = np.array([values for _, values in self._history])
        x = self._features.of(one for one, _ in self._history)
        for axis, predictor in enumerate(self._predictors):
            predictor.fit(x, standardize(self._found[:, axis]))

    def _predict(self, architectures: list[Architecture]) -> Floats:
        """A random draw of the rewards: the goals' standardized values, weighted."""
        x = self._features.of(architectures)
        found: Floats = np.stack([predictor.draw(x) for predictor in self._predictors], axis=1) @ self._weights
        return found

    def _standing(self, values: tuple[float, ...]) -> float:
        """The reward that was found, as predicted rewards are standardized."""
        spread = np.maximum(self._found.std(axis=0), 1e-12)
        return float(((np.array(values) - self._found.mean(axis=0)) / spread) @ self._weights)
