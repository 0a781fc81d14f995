from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from lightning_fabric import Fabric

from latkit.errors import UsageError
from latkit.search.gradient.gates import BinaryGates
from latkit.search.gradient.learners import ArchitectureRate, GradientLearner
from latkit.search.objectives.architecture_objective import ArchitectureObjective
from latkit.search.objectives.objective import (
    LARGEST_VIOLATION,
    Additive,
    AugmentedLagrangian,
    Multiplicative,
    Multiplier,
)
from latkit.search.supernet.distribution import PathDistribution
from latkit.search.supernet.supernet import Supernet
from latkit.search.tasks.classification import CLASSIFICATION
from latkit.spaces import Space
from latkit.tables import LatencyTable

FABRIC = Fabric(accelerator="cpu", devices=1)


def seconds(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_dual_ascent_ends_at_the_target(
    mini_space: Space, table_of: Callable[[Space], LatencyTable], share: float
) -> None:
    table = table_of(mini_space)
    target_s = table.fastest() + share * (table.slowest() - table.fastest())
    torch.manual_seed(0)
    steps = 200
    learner = GradientLearner(
        Supernet(mini_space),
        ArchitectureObjective(PathDistribution(mini_space), table, AugmentedLagrangian(target_s, rate=100 / steps)),
        BinaryGates(),
        ArchitectureRate(16 / steps, growth=8.0),
        CLASSIFICATION.loss,
        FABRIC,
    )
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(8, 1, 8, 8, generator=generator), torch.randint(2, (8,), generator=generator)
    course = []
    for step in range(steps):
        learner.step(images, labels, generator, step / steps)
        course.append(learner.arch_objective.expected_s())
    late = course[-30:]
    assert sum(late) / len(late) == pytest.approx(target_s, rel=0.03)


def test_the_multiplier_rises_above_the_target_and_falls_below_it() -> None:
    constraint = AugmentedLagrangian(2.0, rate=0.5)
    constraint.update(2.0 * math.exp(0.05))
    assert constraint.multiplier == pytest.approx(0.025)
    constraint.update(20.0)
    assert constraint.multiplier == pytest.approx(0.025 + 0.5 * LARGEST_VIOLATION)
    constraint.update(0.2)
    assert constraint.multiplier == pytest.approx(0.025)
    other = AugmentedLagrangian(2.0, rate=0.5)
    other.load_state(constraint.state())
    for one in (constraint, other):
        one.update(2.0 * math.exp(0.02))
    assert other.multiplier == constraint.multiplier


def test_a_multiplier_looks_ahead() -> None:
    steady, falling = Multiplier(rate=0.4), Multiplier(rate=0.4)
    for violation in (0.05, 0.05):
        steady.update(violation)
    for violation in (0.05, 0.01):
        falling.update(violation)
    assert steady.value == pytest.approx(0.4 * 0.1)
    assert falling.value == pytest.approx(0.4 * (0.05 + 0.01 - 1.5 * 0.04))
    bounded = Multiplier(rate=0.4, min_value=0.0)
    bounded.update(-0.05)
    assert bounded.value == 0


def test_the_lagrangian_weighs_relative_latency() -> None:
    constraint = AugmentedLagrangian(2.0, rate=20, damping=0)
    constraint.update(2.0 * math.exp(0.05))
    expected_s = seconds(3.0).requires_grad_()
    (gradient,) = torch.autograd.grad(constraint(torch.tensor(1.0), expected_s), expected_s)
    assert float(gradient) == pytest.approx(1 / 3)


def test_an_inactive_target_does_not_affect_the_task() -> None:
    constraint = AugmentedLagrangian(2.0, rate=1, binding=False)
    constraint.update(4.0)
    assert float(constraint(torch.tensor(1.5), seconds(4.0))) == 1.5
    assert constraint.multiplier == 0


def test_penalties_are_those_of_the_paper() -> None:
    assert float(Additive(0.08, 0.2)(torch.tensor(1.0), seconds(0.12))) == pytest.approx(1.1)
    authors = 1.3 * (math.log(100) / math.log(80)) ** 0.6
    assert float(Multiplicative(0.08, 0.6)(torch.tensor(1.3), seconds(0.1))) == pytest.approx(authors)
    assert float(Multiplicative(1e-4, 0.6)(torch.tensor(1.3), seconds(1e-4))) == pytest.approx(1.3)


@pytest.mark.parametrize("target_s", [0.0, -1.0, math.nan, math.inf])
def test_a_target_is_a_positive_number(target_s: float) -> None:
    with pytest.raises(UsageError, match="more than 0 ms"):
        AugmentedLagrangian(target_s, rate=1)
