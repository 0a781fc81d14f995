from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric

from latkit.errors import BadFile
from latkit.search.gradient.gates import BinaryGates
from latkit.search.gradient.learners import ArchitectureRate, GradientLearner
from latkit.search.objectives.architecture_objective import ArchitectureObjective
from latkit.search.objectives.constraints import Constraint, ConstraintMultipliers, load_constraints, save_constraints
from latkit.search.objectives.objective import LARGEST_VIOLATION, AugmentedLagrangian
from latkit.search.supernet.distribution import PathDistribution
from latkit.search.supernet.supernet import Supernet
from latkit.search.tasks.classification import CLASSIFICATION
from latkit.spaces import Space
from latkit.tables import COUNTED_COSTS, AdditiveTable, LatencyTable, PeakTable, macs_table

FABRIC = Fabric(accelerator="cpu", devices=1)


def uniform(space: Space) -> torch.Tensor:
    return PathDistribution(space).probabilities().detach()


def test_a_satisfied_limit_has_no_weight_and_a_violated_one_gains_weight(mini_space: Space) -> None:
    macs, probabilities = macs_table(mini_space), uniform(mini_space)
    expected = float(macs(probabilities))
    satisfied, broken = (
        Constraint("kept", macs, expected * math.exp(0.05)),
        Constraint("broken", macs, expected / math.exp(0.05)),
    )
    constraints = ConstraintMultipliers([satisfied, broken], rate=2.0, damping=0.0)
    for rounds in range(3):
        figures = constraints.figures(probabilities)
        assert figures["multiplier_kept"] == 0
        assert figures["multiplier_broken"] == pytest.approx(0.1 * rounds)
        constraints.update(probabilities)
    loss = constraints(probabilities.requires_grad_())
    (gradient,) = torch.autograd.grad(loss, probabilities)
    (of_macs,) = torch.autograd.grad(macs(probabilities), probabilities)
    torch.testing.assert_close(gradient, 0.3 * of_macs / expected, rtol=1e-4, atol=1e-9)
    figures = constraints.figures(probabilities)
    assert figures["expected_kept"] == pytest.approx(expected)
    assert figures["multiplier_broken"] == pytest.approx(0.3)


def test_damping_counts_only_where_the_bound_is_exceeded(mini_space: Space) -> None:
    macs, probabilities = macs_table(mini_space), uniform(mini_space).requires_grad_()
    expected = float(macs(probabilities).detach())
    (of_macs,) = torch.autograd.grad(macs(probabilities), probabilities)
    for bound, weight in ((expected * 2, 0.0), (expected / 2, 4 * math.log(2))):
        constraints = ConstraintMultipliers([Constraint("macs", macs, bound)], rate=1.0, damping=4.0)
        (gradient,) = torch.autograd.grad(constraints(probabilities), probabilities)
        torch.testing.assert_close(gradient, weight * of_macs / expected, rtol=1e-4, atol=1e-9)


def test_a_multiplier_falls_back_to_nothing_and_no_further(mini_space: Space) -> None:
    macs, probabilities = macs_table(mini_space), uniform(mini_space)
    constraints = ConstraintMultipliers([Constraint("macs", macs, float(macs(probabilities)) * 2)], rate=1.0)
    constraints.load_state({"macs": {"multiplier": 1.5 * LARGEST_VIOLATION}})
    constraints.update(probabilities)
    assert constraints.state()["macs"]["multiplier"] == pytest.approx(0.5 * LARGEST_VIOLATION)
    constraints.update(probabilities)
    assert constraints.state()["macs"]["multiplier"] == 0.0


@pytest.mark.slow
def test_a_search_ends_at_its_target_and_within_its_limits(
    mini_space: Space, table_of: Callable[[Space], LatencyTable]
) -> None:
    table, target_s = table_of(mini_space), table_of(mini_space).total((1, 0))
    other = AdditiveTable(mini_space.name, mini_space.key, [[3, 1, 2, 1, 0], [1, 3, 1, 2, 0]], 1.0)
    constraint = Constraint("other", other, other.total((1, 0)))
    assert float(other(uniform(mini_space))) > 1.2 * constraint.max_value
    steps, generator = 200, torch.Generator().manual_seed(0)
    constraints = ConstraintMultipliers([constraint], rate=60 / steps)
    torch.manual_seed(0)
    learner = GradientLearner(
        Supernet(mini_space),
        ArchitectureObjective(
            PathDistribution(mini_space), table, AugmentedLagrangian(target_s, rate=60 / steps), constraints
        ),
        BinaryGates(),
        ArchitectureRate(0.1),
        CLASSIFICATION.loss,
        FABRIC,
    )
    images, labels = torch.randn(8, 1, 8, 8, generator=generator), torch.randint(2, (8,), generator=generator)
    late: list[float] = []
    late_s: list[float] = []
    for step in range(steps):
        learner.step(images, labels, generator)
        if step > steps - 50:
            late_s.append(learner.arch_objective.expected_s())
            late.append(float(other(learner.arch_objective.distribution.probabilities().detach())))
    assert sum(late) / len(late) <= 1.02 * constraint.max_value
    assert sum(late_s) / len(late_s) == pytest.approx(target_s, rel=0.02)
    restored = ConstraintMultipliers([constraint], rate=1.0)
    restored.load_state(learner.state()["limits"])
    assert restored.state() == constraints.state()


def test_limits_come_back_from_their_file(
    mini_space: Space, table_of: Callable[[Space], LatencyTable], tmp_path: Path
) -> None:
    path = tmp_path / "limits.json"
    assert load_constraints(path, mini_space) == []
    constraints = [
        Constraint("pi4/tflite-t1-fp32-b1", table_of(mini_space), 1e-5),
        Constraint("peak_bytes", PeakTable(mini_space), 4096),
    ]
    save_constraints(constraints, path)
    found = load_constraints(path, mini_space)
    assert [(constraint.name, constraint.max_value) for constraint in found] == [
        (constraint.name, constraint.max_value) for constraint in constraints
    ]
    for one, other in zip(constraints, found, strict=True):
        assert [one.value(path) for path in ((0, 0), (3, 4))] == [other.value(path) for path in ((0, 0), (3, 4))]
    path.write_text("[1]")
    with pytest.raises(BadFile, match="expected constraints of a search"):
        load_constraints(path, mini_space)


def test_pair_terms_of_a_constraint_are_saved(mini_space: Space, tmp_path: Path) -> None:
    rows = [[1.0] * 5, [2.0] * 5]
    table = LatencyTable.from_seconds(mini_space.name, mini_space.key, rows, 1.0, [[[1.0] * 5] * 5])
    peak = COUNTED_COSTS.get("peak_bytes").table(mini_space)
    path = tmp_path / "limits.json"
    save_constraints([Constraint("there/tflite", table, 5.0), Constraint("peak_bytes", peak, 1e9)], path)
    latency, memory = load_constraints(path, mini_space)
    assert latency.value((0, 0)) == table.total((0, 0)) == 5.0
    assert latency.format_value(latency.max_value) == "5000 ms"
    assert memory.value((0, 0)) == peak.total((0, 0))
    path.write_text('{"peak": {"most": 1.0}}')
    with pytest.raises(BadFile, match="unknown counted cost 'peak'; known counted costs: macs, params, peak_bytes"):
        load_constraints(path, mini_space)
