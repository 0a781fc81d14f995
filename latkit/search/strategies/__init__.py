"""Search strategies: each asks for architectures and receives verdicts.

A plug-in adds one with an entry point of the group `latkit.strategies` that is a subclass of `Strategy`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from latkit._registry import Registry
from latkit.errors import UsageError
from latkit.search.goals import Goals
from latkit.search.strategies.base import Strategy, settings_json
from latkit.spaces.base import Space

__all__ = ["STRATEGIES", "Strategy", "make_strategy", "setting_defaults", "settings_json"]

STRATEGIES: Registry[type] = Registry(
    "strategy",
    "latkit.strategies",
    type,
    {
        "bananas": "latkit.search.strategies.model_based:Bananas",
        "evolution": "latkit.search.strategies.evolution:RegularizedEvolution",
        "halving": "latkit.search.strategies.halving:SuccessiveHalving",
        "hill-climbing": "latkit.search.strategies.hill_climbing:HillClimbing",
        "local-search": "latkit.search.strategies.local_search:LocalSearch",
        "local-search-best": "latkit.search.strategies.hill_climbing:BestImprovement",
        "model-based": "latkit.search.strategies.model_based:ModelBased",
        "model-based-light": "latkit.search.strategies.model_based:ModelBasedLight",
        "neural-architect": "latkit.search.strategies.neural_architect:NeuralArchitect",
        "nsga2": "latkit.search.strategies.nsga2:Nsga2",
        "optuna-gp": "latkit.search.strategies.optuna_samplers:OptunaGp",
        "optuna-nsga2": "latkit.search.strategies.optuna_samplers:OptunaNsga2",
        "optuna-nsga3": "latkit.search.strategies.optuna_samplers:OptunaNsga3",
        "optuna-tpe": "latkit.search.strategies.optuna_samplers:Tpe",
        "ppo": "latkit.search.strategies.ppo:Ppo",
        "ppo-lstm": "latkit.search.strategies.recurrent:RecurrentPpo",
        "random": "latkit.search.strategies.random_search:RandomSearch",
        "reinforce": "latkit.search.strategies.controllers.controller:Reinforce",
        "reinforce-lstm": "latkit.search.strategies.recurrent:RecurrentReinforce",
    },
)
"""The strategies by name."""


def make_strategy(name: str, space: Space, goals: Goals, seed: int = 0, **settings: Any) -> Strategy:
    """A strategy by name. Raises UsageError for an unknown name, an unknown setting or one out of range."""
    kind = STRATEGIES.get(name)
    if not issubclass(kind, Strategy):
        raise UsageError(f"strategy {name}: expected a subclass of Strategy, but found {kind.__name__}")
    known = {field.name for field in dataclasses.fields(kind.settings_type)}
    for setting in settings:
        if setting not in known:
            raise UsageError(
                f"strategy {name}: unknown setting {setting}; known settings: {', '.join(sorted(known)) or 'none'}"
            )
    return kind(space, goals, seed, kind.settings_type(**settings))


def setting_defaults(name: str) -> dict[str, Any]:
    """The settings of a strategy, with their defaults. Raises UsageError for an unknown strategy."""
    return {field.name: field.default for field in dataclasses.fields(STRATEGIES.get(name).settings_type)}  # type: ignore[attr-defined]
