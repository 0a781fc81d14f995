from __future__ import annotations

import pytest
import torch

from latkit.search.data import DataSplit
from latkit.search.gradient.factory import make_search_phase
from latkit.search.gradient.learners import ArchitectureRate, LogitLearner
from latkit.search.objectives.architecture_objective import MARGIN, ArchitectureObjective, max_entropy_logits
from latkit.search.objectives.constraints import Constraint, ConstraintMultipliers
from latkit.search.objectives.objective import AugmentedLagrangian
from latkit.search.records.problem import Problem
from latkit.search.supernet.distribution import PathDistribution
from latkit.search.training.runtime_env import fabric_of
from latkit.spaces import Space
from latkit.tables import LatencyTable, parameters_table
from tests.search.conftest import Tables, brief


@pytest.fixture
def arch_objective(mini_space: Space, table_of: Tables) -> ArchitectureObjective:
    """Bounds that a uniform distribution is far above."""
    table, parameters = table_of(mini_space), parameters_table(mini_space)
    constraints = ConstraintMultipliers([Constraint("params", parameters, parameters.min())], rate=1.0)
    return ArchitectureObjective(
        PathDistribution(mini_space), table, AugmentedLagrangian(table.fastest(), rate=1.0), constraints
    )


def test_objective_and_limits_both_take_note_of_the_distribution(arch_objective: ArchitectureObjective) -> None:
    arch_objective.adapt()
    assert arch_objective.objective.multiplier > 0
    assert arch_objective.state()["limits"]["params"]["multiplier"] > 0


def test_its_state_is_all_that_changes(arch_objective: ArchitectureObjective, mini_space: Space) -> None:
    with torch.no_grad():
        arch_objective.distribution.logits[0, 1] = 2.0
    arch_objective.adapt()
    constraints = ConstraintMultipliers(arch_objective.constraints.constraints, rate=1.0)
    other = ArchitectureObjective(
        PathDistribution(mini_space),
        arch_objective.table,
        AugmentedLagrangian(arch_objective.table.fastest(), rate=1.0),
        constraints,
    )
    other.load_state(arch_objective.state())
    assert other.expected_s() == arch_objective.expected_s()
    for one in (arch_objective, other):
        one.adapt()
    assert torch.equal(other.state().pop("logits"), arch_objective.state().pop("logits"))
    assert [other.state()[name] for name in ("objective", "limits")] == [
        arch_objective.state()[name] for name in ("objective", "limits")
    ]


def test_logits_move_further_the_more_of_the_search_is_done(arch_objective: ArchitectureObjective) -> None:
    before = arch_objective.distribution.logits.detach().clone()
    for progress, rate in ((0.0, 0.01), (1.0, 0.08)):  # of like gradients, Adam's first step is as long as its rate
        with torch.no_grad():
            arch_objective.distribution.logits.copy_(before)
        LogitLearner(arch_objective, ArchitectureRate(0.01, growth=8.0)).apply(torch.ones_like(before), progress)
        torch.testing.assert_close(arch_objective.distribution.logits.detach(), before - rate)


UNEVEN = LatencyTable.from_seconds("uneven", "none", [[1e-3, 2e-3, 4e-3], [3e-3, 0.0]], base_s=1e-3)
"""Its networks take from 2 to 8 ms, a uniform distribution 4.83 ms; one row is padded."""


@pytest.mark.parametrize("share", [MARGIN, 0.1, 0.5, 0.9])
def test_the_max_entropy_distribution_at_a_latency_weighs_every_second_equally(share: float) -> None:
    goal_s = UNEVEN.fastest() + share * (UNEVEN.slowest() - UNEVEN.fastest())
    logits = max_entropy_logits(UNEVEN, goal_s)
    probabilities = logits.masked_fill(~UNEVEN.mask, -torch.inf).softmax(-1)
    assert float(UNEVEN(probabilities)) == pytest.approx(goal_s, rel=1e-4)
    falls = [
        (logits[row, a] - logits[row, b]) / (UNEVEN.seconds[row, b] - UNEVEN.seconds[row, a]) for row, a, b in PAIRS
    ]
    assert [float(fall) for fall in falls] == pytest.approx([float(falls[0])] * len(falls), rel=1e-3)


PAIRS = (0, 0, 1), (0, 1, 2), (1, 0, 1)
"""A row of the table, and two of its candidates."""


def test_the_max_entropy_distribution_leaves_several_choices_open() -> None:
    for goal_s, share in ((0.0, MARGIN), (UNEVEN.fastest(), MARGIN), (1.0, 1 - MARGIN)):
        probabilities = max_entropy_logits(UNEVEN, goal_s).masked_fill(~UNEVEN.mask, -torch.inf).softmax(-1)
        nearest_s = UNEVEN.fastest() + share * (UNEVEN.slowest() - UNEVEN.fastest())
        assert float(UNEVEN(probabilities)) == pytest.approx(nearest_s, rel=1e-4)


def test_undecided_where_no_latency_is_to_begin_at(arch_objective: ArchitectureObjective) -> None:
    arch_objective.begin()
    assert not arch_objective.distribution.logits.any()


def test_architecture_steps_begin_at_the_target_and_the_warm_up_does_not(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit
) -> None:
    table, settings = table_of(mini_space), brief(architecture_learning_rate=1e-9)
    target_s = table.fastest() + 0.2 * (table.slowest() - table.fastest())
    for penalty, begins in (("constraint", True), ("additive", False)):
        changed = settings.model_copy(update={"penalty": penalty})
        problem = Problem(mini_space, table, stripes_data, target_s, changed)
        _, phase = make_search_phase(problem, fabric_of(changed), binding=True)
        phase.begin(0)
        for step in range(2 * phase.steps_per_epoch):
            phase.step(step)
            warming_up = step < phase.steps_per_epoch
            assert not (warming_up and phase.arch_objective.distribution.logits.any())
        assert (phase.arch_objective.expected_s() == pytest.approx(target_s, rel=1e-3)) == begins


def test_a_start_with_pair_terms_meets_the_expected_latency() -> None:
    pairs = [[[0.0, 3e-3], [1e-3, 0.0], [0.0, 0.0]]]
    table = LatencyTable.from_seconds("pairs", "none", [[1e-3, 2e-3, 4e-3], [3e-3, 0.0]], 1e-3, pairs)
    for share in (0.2, 0.5, 0.8):
        goal_s = table.fastest() + share * (table.slowest() - table.fastest())
        logits = max_entropy_logits(table, goal_s).masked_fill(~table.mask, -torch.inf)
        assert float(table(logits.softmax(-1))) == pytest.approx(goal_s, rel=1e-6)
