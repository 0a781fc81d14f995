"""Recurrent controllers: an LSTM takes the choices one after the other, trained by REINFORCE or by PPO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latkit.errors import UsageError
from latkit.search.strategies.controllers.controller import Reinforce, ReinforceSettings
from latkit.search.strategies.controllers.lstm import LstmSettings
from latkit.search.strategies.controllers.lstm_policy import LstmPolicy
from latkit.search.strategies.controllers.policies import Policy
from latkit.search.strategies.ppo import Ppo, PpoSettings


@dataclass(frozen=True)
class RecurrentReinforceSettings(ReinforceSettings):
    """The network and its training."""

    learning_rate: float = 0.04
    """Of Adam."""
    hidden: int = 32
    entropy: float = 0.05
    """Weight of the policy's entropy."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_network(self.hidden, self.entropy)


@dataclass(frozen=True)
class RecurrentPpoSettings(PpoSettings):
    """The network and its training."""

    learning_rate: float = 0.02
    """Of Adam."""
    hidden: int = 32
    entropy: float = 0.01
    """Weight of the policy's entropy."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_network(self.hidden, self.entropy)


def check_network(hidden: int, entropy: float) -> None:
    """Raise UsageError for settings out of range."""
    if hidden < 1 or entropy < 0:
        raise UsageError(
            "recurrent controller: expected a hidden size of at least 1 and an entropy weight of at least 0, "
            f"but found {hidden} and {entropy}"
        )


def lstm(strategy: Reinforce, generator: np.random.Generator) -> Policy:
    """The recurrent policy of a strategy's settings."""
    settings = strategy.settings
    return LstmPolicy(
        strategy.space, generator, LstmSettings(settings.hidden, settings.learning_rate, settings.entropy)
    )


class RecurrentReinforce(Reinforce):
    """REINFORCE with a moving baseline and an entropy bonus (Zoph & Le 2017, sections 3.2; Bello et al. 2017)."""

    name: ClassVar[str] = "reinforce-lstm"
    summary: ClassVar[str] = "recurrent controller (LSTM), REINFORCE, MnasNet's reward (Zoph & Le 2017)"
    settings_type: ClassVar[type[Any]] = RecurrentReinforceSettings

    def make_policy(self, generator: np.random.Generator) -> Policy:
        """The policy before anything is learned."""
        return lstm(self, generator)


class RecurrentPpo(Ppo):
    """Proximal policy optimization of the recurrent controller, as NASNet and MnasNet train it."""

    name: ClassVar[str] = "ppo-lstm"
    summary: ClassVar[str] = "recurrent controller (LSTM), proximal policy optimization (NASNet, MnasNet)"
    settings_type: ClassVar[type[Any]] = RecurrentPpoSettings

    def make_policy(self, generator: np.random.Generator) -> Policy:
        """The policy before anything is learned."""
        return lstm(self, generator)
