"""Rules that mix all candidates, against autograd of the mixed loss."""

from __future__ import annotations

import itertools

import pytest
import torch

from latkit.search.gradient.gates import BinaryGates, Draw, PathRule
from latkit.search.supernet.distribution import PathDistribution
from latkit.search.supernet.mixing import FullMixing, GumbelSoftmax
from latkit.search.supernet.supernet import Paths, Supernet
from latkit.spaces import Space


class Task:
    """A loss that is curved in the gates, and a quantity that is expected of the probabilities."""

    def __init__(self, space: Space) -> None:
        torch.manual_seed(0)
        self.supernet = Supernet(space).train()
        self.distribution = PathDistribution(space)
        with torch.no_grad():
            self.distribution.logits.copy_(torch.randn(2, 3))
        self.images = torch.randn(4, 2, 6, 6)
        self.weights = torch.randn(4, 3)
        self.seconds = torch.randn(2, 3)

    def loss(self, paths: Paths) -> torch.Tensor:
        return (self.supernet(self.images, paths) * self.weights).sum().square()

    def mixed(self, gates: torch.Tensor) -> torch.Tensor:
        return self.loss(Paths(((0, 1), (0, 1, 2)), gates=gates))

    def estimate(self, rule: PathRule, draw: Draw) -> torch.Tensor:
        assert draw.paths.gates is not None
        (by_gate,) = torch.autograd.grad(self.loss(draw.paths), draw.paths.gates)
        return rule.gradient(draw, by_gate, self.seconds)

    def exact(self, loss: torch.Tensor) -> torch.Tensor:
        """By autograd: of a loss that reaches the logits, and of the expected quantity."""
        expected = (self.distribution.probabilities() * self.seconds).sum()
        (gradient,) = torch.autograd.grad(loss + expected, self.distribution.logits)
        return gradient


@pytest.fixture
def task(linear_space: Space) -> Task:
    return Task(linear_space)


def test_full_mixing_gives_the_gradient_of_the_mixed_loss(task: Task) -> None:
    rule = FullMixing()
    draw = rule.draw(task.distribution, 0.0, torch.Generator())
    exact = task.exact(task.mixed(task.distribution.probabilities()))
    torch.testing.assert_close(task.estimate(rule, draw), exact, rtol=1e-4, atol=1e-4)
    assert exact.abs().max() > 0.1


def test_full_mixing_is_equation_4_unabridged_where_the_loss_is_linear(linear_space: Space) -> None:
    task = Task(linear_space)
    paths = itertools.product(range(2), range(3))
    p = task.distribution.probabilities()
    linear = lambda paths: (task.supernet(task.images, paths) * task.weights).sum()  # noqa: E731
    expected_loss = sum(p[0, i] * p[1, j] * linear(Paths.single((i, j))).detach() for i, j in paths)
    (exact,) = torch.autograd.grad(expected_loss, task.distribution.logits)
    draw = FullMixing().draw(task.distribution, 0.0, torch.Generator())
    assert draw.paths.gates is not None
    (by_gate,) = torch.autograd.grad(linear(draw.paths), draw.paths.gates)
    found = FullMixing().gradient(draw, by_gate, torch.zeros(2, 3))
    torch.testing.assert_close(found, exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
def test_gumbel_softmax_gives_the_gradient_of_the_relaxed_loss(task: Task, progress: float) -> None:
    rule = GumbelSoftmax(begin=2.0, end=0.5)
    draw = rule.draw(task.distribution, progress, torch.Generator().manual_seed(3))
    uniform = torch.rand(2, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    noise = -(-uniform.log()).log()
    temperature = 2.0 * 0.25**progress
    gates = ((task.distribution.log_probabilities() + noise) / temperature).softmax(1).float()
    torch.testing.assert_close(draw.paths.gates, gates)
    torch.testing.assert_close(task.estimate(rule, draw), task.exact(task.mixed(gates)), rtol=1e-3, atol=1e-3)


def test_hard_gumbel_gates_run_one_path_and_differentiate_the_soft_ones(task: Task) -> None:
    soft, hard = GumbelSoftmax(), GumbelSoftmax(hard=True)
    draws = [rule.draw(task.distribution, 0.5, torch.Generator().manual_seed(1)) for rule in (soft, hard)]
    relaxed = draws[0].paths.gates
    assert relaxed is not None
    chosen = relaxed.argmax(1).tolist()
    assert draws[1].paths.open == tuple((index,) for index in chosen)
    torch.testing.assert_close(task.loss(draws[1].paths), task.loss(Paths.single(chosen)))

    probabilities = task.distribution.log_probabilities()
    temperature = hard.temperature(0.5)
    uniform = torch.rand(2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gates = ((probabilities - (-uniform.log()).log()) / temperature).softmax(1).float()
    ones = torch.nn.functional.one_hot(torch.tensor(chosen), 3).float()
    straight_through = task.mixed(ones + gates - gates.detach())
    torch.testing.assert_close(task.estimate(hard, draws[1]), task.exact(straight_through), rtol=1e-3, atol=1e-3)


def test_the_temperature_falls_by_the_same_factor_in_every_step() -> None:
    temperatures = [GumbelSoftmax(5.0, 0.05).temperature(progress) for progress in (0.0, 0.5, 1.0)]
    assert temperatures == pytest.approx([5.0, 0.5, 0.05])


def test_weight_steps_train_what_the_rule_says(task: Task) -> None:
    def paths_of(rule: PathRule, progress: float = 0.0) -> Paths:
        return rule.weight_paths(task.distribution, progress, torch.Generator().manual_seed(0))

    for single in (BinaryGates(), GumbelSoftmax(hard=True)):
        assert paths_of(single).gates is None
        assert [len(row) for row in paths_of(single).open] == [1, 1]
    everything = ((0, 1), (0, 1, 2))
    mixed = paths_of(FullMixing())
    assert mixed.open == everything
    torch.testing.assert_close(mixed.gates, task.distribution.probabilities().detach())
    early, late = (paths_of(GumbelSoftmax(), progress).gates for progress in (0.0, 1.0))
    assert early is not None
    assert late is not None
    assert early.max() < late.max()
    torch.testing.assert_close(late.sum(1), torch.ones(2))
    assert not late.requires_grad


def test_hard_gates_are_drawn_by_the_probabilities(task: Task) -> None:
    generator, rule = torch.Generator().manual_seed(0), GumbelSoftmax(hard=True)
    draws = torch.tensor([rule.weight_paths(task.distribution, 0.0, generator).open[1][0] for _ in range(2000)])
    soft_gates = torch.bincount(draws, minlength=3) / len(draws)
    torch.testing.assert_close(soft_gates, task.distribution.probabilities().detach()[1], rtol=0, atol=0.04)
