"""The policy gradient against the exact gradient of the expected reward, every expectation enumerated."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable

import pytest
import torch
from lightning_fabric import Fabric

from latkit.search.gradient.learners import ArchitectureRate
from latkit.search.gradient.reinforce import ReinforceLearner, Sampling, advantages, policy_gradient
from latkit.search.objectives.architecture_objective import ArchitectureObjective
from latkit.search.objectives.constraints import Constraint, ConstraintMultipliers
from latkit.search.objectives.objective import Additive, AugmentedLagrangian, Multiplicative, Objective
from latkit.search.supernet.distribution import PathDistribution
from latkit.search.supernet.supernet import Paths, Supernet
from latkit.search.tasks.classification import CLASSIFICATION
from latkit.spaces import Space
from latkit.tables import LatencyTable, parameters_table

FABRIC = Fabric(accelerator="cpu", devices=1)
PATHS = torch.tensor(list(itertools.product(range(2), range(3))))
REWARDS = torch.tensor([0.9, 0.1, 0.4, 0.7, 0.2, 0.8], dtype=torch.float64)


def undetermined_op(space: Space) -> PathDistribution:
    distribution = PathDistribution(space)
    with torch.no_grad():
        distribution.logits.copy_(torch.tensor([[0.5, -0.2, 7.0], [0.1, 1.0, -0.7]]))
    return distribution


def path_probabilities(distribution: PathDistribution) -> torch.Tensor:
    p = distribution.probabilities()
    return p[0, PATHS[:, 0]] * p[1, PATHS[:, 1]]


def exact_gradient(distribution: PathDistribution) -> torch.Tensor:
    (gradient,) = torch.autograd.grad((path_probabilities(distribution) * REWARDS).sum(), distribution.logits)
    return gradient


@pytest.mark.parametrize("baseline", [0.0, 0.5, -3.0])
def test_the_mean_estimate_is_the_exact_gradient_whatever_the_baseline(linear_space: Space, baseline: float) -> None:
    distribution = undetermined_op(linear_space)
    p = distribution.probabilities().detach()
    mean = torch.zeros_like(p)
    for path, reward, weight in zip(PATHS, REWARDS, path_probabilities(distribution).detach(), strict=True):
        mean += weight * policy_gradient(p, path[None], advantages(reward[None], baseline))
    torch.testing.assert_close(mean, exact_gradient(distribution), rtol=1e-4, atol=1e-5)
    assert mean.abs().max() > 0.01


def test_the_first_step_takes_the_other_paths_as_its_baseline_and_is_exact_too(linear_space: Space) -> None:
    assert advantages(torch.tensor([1.0, 2.0, 6.0]), None).tolist() == [-3.0, -1.5, 4.5]
    distribution = undetermined_op(linear_space)
    p, weights = distribution.probabilities().detach(), path_probabilities(distribution).detach()
    mean = torch.zeros_like(p)
    for one, other in itertools.product(range(len(PATHS)), repeat=2):
        pair = [one, other]
        estimate = policy_gradient(p, PATHS[pair], advantages(REWARDS[pair], None))
        mean += weights[one] * weights[other] * estimate
    torch.testing.assert_close(mean, exact_gradient(distribution), rtol=1e-4, atol=1e-5)


def learner_of(
    space: Space,
    table: LatencyTable,
    objective: Objective,
    constraints: ConstraintMultipliers | None = None,
) -> ReinforceLearner:
    arch_objective = ArchitectureObjective(
        PathDistribution(space), table, objective, constraints or ConstraintMultipliers()
    )
    rate, sampling = ArchitectureRate(0.05), Sampling(paths=4)
    return ReinforceLearner(Supernet(space), arch_objective, rate, CLASSIFICATION, FABRIC, sampling)


def test_rewards_are_those_of_the_paper(mini_space: Space, table_of: Callable[[Space], LatencyTable]) -> None:
    table = table_of(mini_space)
    target_s = table.total((1, 4))
    paths, accuracies = torch.tensor([(1, 4), (3, 3)]), torch.tensor([0.5, 0.8], dtype=torch.float64)
    ratio = table.total((3, 3)) / target_s
    fixed = learner_of(mini_space, table, Multiplicative(target_s, 0.07)).rewards(paths, accuracies)
    assert fixed.tolist() == pytest.approx([0.5, 0.8 * ratio**-0.07])
    added = learner_of(mini_space, table, Additive(target_s, 0.2)).rewards(paths, accuracies)
    assert added.tolist() == pytest.approx([0.5, 0.8 - 0.2 * (ratio - 1)])
    adaptive = learner_of(mini_space, table, AugmentedLagrangian(target_s, rate=1.0, damping=4.0))
    violation = math.log(adaptive.arch_objective.expected_s() / target_s)
    adaptive.arch_objective.objective.update(target_s * math.exp(0.05))
    assert adaptive.rewards(paths, accuracies).tolist() == pytest.approx([0.5, 0.8 * ratio ** -(0.05 + 4 * violation)])
    free = learner_of(mini_space, table, AugmentedLagrangian(target_s, rate=1.0, binding=False)).rewards(
        paths, accuracies
    )
    assert free.tolist() == accuracies.tolist()


def test_limits_lower_the_rewards_of_what_exceeds_them(
    mini_space: Space, table_of: Callable[[Space], LatencyTable]
) -> None:
    table, parameters = table_of(mini_space), parameters_table(mini_space)
    constraints = ConstraintMultipliers([Constraint("params", parameters, parameters.min())], rate=1.0, damping=2.0)
    learner = learner_of(mini_space, table, AugmentedLagrangian(table.slowest(), 1.0, binding=False), constraints)
    uniform = learner.arch_objective.distribution.probabilities().detach()
    weight = 2.0 * math.log(float(parameters(uniform)) / parameters.min())
    found = learner.rewards(torch.tensor([(4, 4), (3, 3)]), torch.ones(2, dtype=torch.float64))
    ratio = parameters.total((3, 3)) / parameters.min()
    assert found.tolist() == pytest.approx([1.0, ratio**-weight])


def test_a_step_climbs_toward_what_is_rewarded(mini_space: Space, table_of: Callable[[Space], LatencyTable]) -> None:
    table = table_of(mini_space)
    learner = learner_of(mini_space, table, AugmentedLagrangian(table.slowest(), 1.0, binding=False))
    before = learner.arch_objective.distribution.probabilities().detach()
    learner.learn(torch.tensor([(0, 1), (2, 3)]), torch.tensor([0.9, 0.1], dtype=torch.float64))
    after = learner.arch_objective.distribution.probabilities().detach()
    assert (after[0, 0], after[1, 1]) > (before[0, 0], before[1, 1])
    assert after[0, 2] < before[0, 2]
    assert after[1, 3] < before[1, 3]
    assert learner.baseline == pytest.approx(0.5)
    learner.learn(torch.tensor([(0, 1), (2, 3)]), torch.tensor([0.8, 0.8], dtype=torch.float64))
    assert learner.baseline == pytest.approx(0.9 * 0.5 + 0.1 * 0.8)


def test_it_runs_single_paths_forward_only_and_goes_on_from_its_state(
    mini_space: Space, table_of: Callable[[Space], LatencyTable]
) -> None:
    table, generator = table_of(mini_space), torch.Generator().manual_seed(0)
    images, labels = torch.randn(8, 1, 8, 8, generator=generator), torch.randint(2, (8,), generator=generator)
    torch.manual_seed(0)
    learner = learner_of(mini_space, table, AugmentedLagrangian(table.slowest() / 2, 0.1))
    weights = {name: value.clone() for name, value in learner.supernet.state_dict().items()}
    drawn_paths: list[Paths] = []
    learner.supernet.register_forward_pre_hook(lambda _module, inputs: drawn_paths.append(inputs[1]))
    loss, scores = learner.step(images, labels, torch.Generator().manual_seed(1))
    assert len(drawn_paths) == 4
    assert all(paths.gates is None and {len(row) for row in paths.open} == {1} for paths in drawn_paths)
    assert not scores.requires_grad
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(scores, labels))
    assert all(torch.equal(value, weights[name]) for name, value in learner.supernet.state_dict().items())
    assert all(parameter.grad is None for parameter in learner.supernet.parameters())

    other = learner_of(mini_space, table, AugmentedLagrangian(table.slowest() / 2, 0.1))
    other.supernet.load_state_dict(learner.supernet.state_dict())
    other.load_state(copy.deepcopy(learner.state()))
    for one in (learner, other):
        one.step(images, labels, torch.Generator().manual_seed(2))
    assert torch.equal(learner.arch_objective.distribution.logits, other.arch_objective.distribution.logits)
    assert learner.baseline == other.baseline
    assert learner.arch_objective.objective.multiplier == other.arch_objective.objective.multiplier
