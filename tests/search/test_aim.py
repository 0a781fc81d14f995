from __future__ import annotations

import pytest
import torch

from latkit.search.aim import Aim
from latkit.search.constraints import Limit, Limits
from latkit.search.distribution import PathDistribution
from latkit.search.learner import LogitLearner
from latkit.search.objective import Constraint
from latkit.spaces import Space
from latkit.tables import parameters_table
from tests.search.conftest import Tables


@pytest.fixture
def aim(mini_space: Space, table_of: Tables) -> Aim:
    """Bounds that a uniform distribution is far above."""
    table, parameters = table_of(mini_space), parameters_table(mini_space)
    limits = Limits([Limit("params", parameters, parameters.least())], rate=1.0)
    return Aim(PathDistribution(mini_space), table, Constraint(table.fastest(), rate=1.0), limits)


def test_objective_and_limits_both_take_note_of_the_distribution(aim: Aim) -> None:
    aim.adapt()
    assert aim.objective.multiplier > 0
    assert aim.state()["limits"]["params"]["multiplier"] > 0


def test_its_state_is_all_that_changes(aim: Aim, mini_space: Space) -> None:
    with torch.no_grad():
        aim.distribution.logits[0, 1] = 2.0
    aim.adapt()
    limits = Limits(aim.limits.limits, rate=1.0)
    other = Aim(PathDistribution(mini_space), aim.table, Constraint(aim.table.fastest(), rate=1.0), limits)
    other.load_state(aim.state())
    assert other.expected_s() == aim.expected_s()
    for one in (aim, other):
        one.adapt()
    assert torch.equal(other.state().pop("logits"), aim.state().pop("logits"))
    assert [other.state()[name] for name in ("objective", "limits")] == [
        aim.state()[name] for name in ("objective", "limits")
    ]


def test_logits_move_further_the_more_of_the_search_is_done(aim: Aim) -> None:
    before = aim.distribution.logits.detach().clone()
    for progress, rate in ((0.0, 0.01), (1.0, 0.08)):  # of like gradients, Adam's first step is as long as its rate
        with torch.no_grad():
            aim.distribution.logits.copy_(before)
        LogitLearner(aim, 0.01, growth=8.0).apply(torch.ones_like(before), progress)
        torch.testing.assert_close(aim.distribution.logits.detach(), before - rate)
