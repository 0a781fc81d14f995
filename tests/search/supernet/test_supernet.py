from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from latkit.errors import UsageError
from latkit.nn import build_module
from latkit.search.gradient.gates import BinaryGates
from latkit.search.gradient.learners import ArchitectureRate, GradientLearner
from latkit.search.gradient.settings import SearchSettings
from latkit.search.objectives.architecture_objective import ArchitectureObjective
from latkit.search.objectives.objective import AugmentedLagrangian
from latkit.search.supernet.distribution import PathDistribution
from latkit.search.supernet.supernet import Paths, Supernet
from latkit.search.supernet.weight_trainer import WeightTrainer
from latkit.search.tasks.classification import CLASSIFICATION
from latkit.spaces import Space
from latkit.tables import LatencyTable

FABRIC = Fabric(accelerator="cpu", devices=1)


def snapshot(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(module: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(8, 1, 8, 8, generator=generator), torch.randint(2, (8,), generator=generator)


def test_one_path_computes_what_its_network_computes(mini_space: Space) -> None:
    supernet = Supernet(mini_space).eval()
    images, _ = batch()
    for architecture in ((0, 3), (4, 2), (4, 4)):
        network = build_module(mini_space.decode(architecture)).eval()
        network.load_state_dict(supernet.path_module(architecture).state_dict())
        torch.testing.assert_close(supernet(images, Paths.single(architecture)), network(images))


def test_a_residual_candidate_begins_as_the_skip_it_competes_with(mini_space: Space) -> None:
    supernet = Supernet(mini_space)
    images, _ = batch()
    skipping = supernet(images, Paths.single((4, 4)))
    torch.testing.assert_close(supernet(images, Paths.single((0, 3))), skipping)


def test_a_weight_step_does_not_change_unsampled_candidates(mini_space: Space) -> None:
    supernet = Supernet(mini_space)
    trainer = WeightTrainer(supernet, SearchSettings(weight_decay=0.1), FABRIC)
    trainer.step(*batch(), 0.1, Paths.single((0, 1)))
    before = snapshot(supernet)
    momentum = {id(p): s["momentum_buffer"].clone() for p, s in trainer.optimizer.state.items()}
    trainer.step(*batch(), 0.1, Paths.single((2, 4)))

    sampled = ("layers.0.", "layers.1.2.", "layers.4.")
    moved = changed(supernet, before)
    assert moved
    assert all(name.startswith(sampled) for name in moved)
    for name, parameter in supernet.named_parameters():
        assert parameter.grad is None, name  # dropped as soon as it has been used
        known = name.startswith((*sampled, "layers.1.0.", "layers.2.1."))
        assert (parameter in trainer.optimizer.state) == known, name
        if known and not name.startswith(sampled):
            torch.testing.assert_close(trainer.optimizer.state[parameter]["momentum_buffer"], momentum[id(parameter)])


def test_an_architecture_step_changes_two_logits_of_every_choice_and_nothing_else(
    mini_space: Space, table_of: Callable[[Space], LatencyTable]
) -> None:
    supernet, distribution, table = Supernet(mini_space), PathDistribution(mini_space), table_of(mini_space)
    with torch.no_grad():  # or all candidates are equal to a skip
        for parameter in supernet.parameters():
            parameter.add_(0.1)
    objective = AugmentedLagrangian(table.slowest(), rate=0.1)
    learner = GradientLearner(
        supernet,
        ArchitectureObjective(distribution, table, objective),
        BinaryGates(),
        ArchitectureRate(0.1),
        CLASSIFICATION.loss,
        FABRIC,
    )
    weights = snapshot(supernet)
    before = distribution.probabilities().detach()
    learner.step(*batch(), torch.Generator().manual_seed(0))
    assert not changed(supernet, weights)  # running statistics neither
    assert all(parameter.grad is None and parameter.requires_grad for parameter in supernet.parameters())
    moved = ((distribution.probabilities() - before).abs() > 1e-6).sum(1)
    assert moved.tolist() == [2, 2]
    assert objective.multiplier != 0


def test_the_parameters_of_a_path_are_those_that_get_a_gradient(mini_space: Space) -> None:
    supernet = Supernet(mini_space)
    for paths in (Paths.single((0, 4)), Paths(((0, 1), (2, 3)), gates=torch.full((2, 2), 0.5))):
        supernet.zero_grad()
        supernet(batch()[0], paths).sum().backward()
        reached = {id(parameter) for parameter in supernet.parameters_of(paths)}
        assert reached == {id(p) for p in supernet.parameters() if p.grad is not None}


def test_weights_at_rest_get_no_gradient_and_wake_up(mini_space: Space) -> None:
    supernet, paths = Supernet(mini_space), Paths.single((0, 1))
    supernet.layers[0].requires_grad_(False)
    images = batch()[0].requires_grad_()
    with supernet.at_rest(paths):
        supernet(images, paths).sum().backward()
    assert images.grad is not None
    assert all(parameter.grad is None for parameter in supernet.parameters())
    supernet(images, paths).sum().backward()
    assert {name for name, p in supernet.named_parameters() if p.grad is None} >= {"layers.0.0.weight"}
    assert all(parameter.grad is not None for parameter in supernet.layers[1][0].parameters())


def test_a_closed_candidate_passes_no_gradient(mini_space: Space) -> None:
    supernet = Supernet(mini_space)
    gates = torch.tensor([[1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    images, _ = batch()
    supernet(images, Paths(((0,), (1,)), ((1,), (2,)), gates)).square().sum().backward()
    assert gates.grad is not None
    assert gates.grad.abs().sum() > 0
    for name, parameter in supernet.named_parameters():
        if name.startswith(("layers.1.1.", "layers.2.2.")):
            assert parameter.grad is None


def test_gates_may_mix_several_open_candidates(mini_space: Space) -> None:
    supernet = Supernet(mini_space).eval()
    images, _ = batch()
    halves = torch.full((2, 2), 0.5)
    mixed = supernet(images, Paths(((0, 4), (1, 4)), gates=halves))
    torch.testing.assert_close(mixed, supernet(images, Paths.single((4, 4))))  # all of them begin as a skip


def test_paths_of_another_space_are_refused(mini_space: Space) -> None:
    with pytest.raises(UsageError, match="expected paths for 2 choices, but found 3"):
        Supernet(mini_space)(batch()[0], Paths.single((0, 0, 0)))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_checkpointing_gives_the_same_architecture_step(
    mini_space: Space, table_of: Callable[[Space], LatencyTable], precision: Literal["32-true", "bf16-mixed"]
) -> None:
    torch.manual_seed(0)
    table, fabric = table_of(mini_space), Fabric(accelerator="cpu", devices=1, precision=precision)
    plain, saving = Supernet(mini_space), Supernet(mini_space, checkpointing=True)
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.add_(0.1)
    saving.load_state_dict(plain.state_dict())
    logits = []
    for supernet in (plain, saving):
        distribution, objective = PathDistribution(mini_space), AugmentedLagrangian(table.slowest(), rate=0.1)
        learner = GradientLearner(
            supernet,
            ArchitectureObjective(distribution, table, objective),
            BinaryGates(),
            ArchitectureRate(0.1),
            CLASSIFICATION.loss,
            fabric,
        )
        for seed in range(3):
            learner.step(*batch(), torch.Generator().manual_seed(seed))
        logits.append(distribution.logits.detach())
    assert torch.equal(*logits)
    assert logits[0].isfinite().all()
    assert logits[0].abs().sum() > 0
    assert not changed(saving, snapshot(plain))
