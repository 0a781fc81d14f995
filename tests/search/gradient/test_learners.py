"""Whole searches by every learner and path rule, and within constraints: they run, and resume to the same bits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from latkit.errors import TargetOutOfReach
from latkit.search import Constraint, Recipe, SearchSettings, run_search
from latkit.search.data import DataSplit
from latkit.search.gradient.factory import make_rule, make_search_phase
from latkit.search.objectives.constraints import CONSTRAINTS_FILE, load_constraints
from latkit.search.objectives.ranking import rank_by_loss
from latkit.search.records.base import load_record
from latkit.search.records.problem import Problem
from latkit.search.records.reproduce import Supplied, reproduce_search
from latkit.search.supernet.mixing import GumbelSoftmax
from latkit.search.training.runtime_env import fabric_of
from latkit.spaces import Space
from latkit.tables import PeakTable, macs_table, parameters_table
from tests.search.conftest import Interrupt, Tables, brief

SHORT = brief(training_epochs=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        {"learner": "reinforce", "reinforce_samples": 3, "path_rule": "full"},
        {"path_rule": "gumbel"},
        {"path_rule": "gumbel-hard", "inherit_weights": True},
    ],
    ids=lambda how: "-".join(map(str, how.values())),
)
def test_every_strategy_resumes_bit_exactly(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path, how: dict[str, object]
) -> None:
    table = table_of(mini_space)
    target_s = table.total((1, 4))
    settings = SHORT.model_copy(update={**how, "checkpoint_seconds": 1e-9})
    constraints = [Constraint("params", parameters_table(mini_space), parameters_table(mini_space).total((3, 4)))]
    uninterrupted, resumed = tmp_path / "whole" / "net", tmp_path / "parts" / "net"
    expected = run_search(
        Problem(mini_space, table, stripes_data, target_s, settings, constraints=constraints), uninterrupted
    )
    with pytest.raises(KeyboardInterrupt):
        run_search(
            Problem(mini_space, table, stripes_data, target_s, settings, constraints=constraints), resumed, Interrupt(9)
        )
    found = run_search(
        Problem(mini_space, table, stripes_data, target_s, settings, constraints=constraints), resumed, resume=True
    )
    assert found.model_copy(update={"seconds": {}}) == expected.model_copy(update={"seconds": {}})
    assert (resumed / "history.json").read_text() == (uninterrupted / "history.json").read_text()
    last = json.loads((uninterrupted / "history.json").read_text())["search"][-1]
    assert {"architecture_loss", "expected_params", "multiplier_params"} <= last.keys()
    assert any(value != pytest.approx(0.2) for row in last["probabilities"] for value in row)


def test_a_search_meets_its_constraints_and_says_so(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    table, macs, folder = table_of(mini_space), macs_table(mini_space), tmp_path / "net"
    constraints = [Constraint("macs", macs, macs.total((0, 4))), Constraint("peak_bytes", PeakTable(mini_space), 1e6)]
    settings = SHORT.model_copy(update={"penalty": "none"})
    result = run_search(
        Problem(mini_space, table, stripes_data, table.slowest() / 2, settings, constraints=constraints), folder
    )
    assert result.constraints["macs"].most == macs.total((0, 4)) >= result.constraints["macs"].predicted
    assert result.constraints["macs"].predicted == result.macs
    recipe = load_record(Recipe, folder / "recipe.json")
    assert {name: facts.most for name, facts in recipe.constraints.items()} == {
        constraint.name: constraint.max_value for constraint in constraints
    }
    assert len({facts.table_sha256 for facts in recipe.constraints.values()} | {recipe.table_sha256}) == 3
    assert [constraint.name for constraint in load_constraints(folder / CONSTRAINTS_FILE, mini_space)] == [
        "macs",
        "peak_bytes",
    ]
    assert reproduce_search(folder, tmp_path / "again", Supplied(stripes_data)).equal
    nowhere, few = tmp_path / "nowhere", [Constraint("macs", macs, 1.0)]
    with pytest.raises(TargetOutOfReach, match="constraint on macs that space mini can meet"):
        run_search(Problem(mini_space, table, stripes_data, table.slowest() / 2, settings, constraints=few), nowhere)
    assert not nowhere.exists()


def test_the_candidate_with_the_lowest_loss_is_chosen_and_nothing_changes(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit
) -> None:
    fabric = fabric_of(SHORT)
    table = table_of(mini_space)
    problem = Problem(mini_space, table, stripes_data, table.slowest() / 2, SHORT)
    supernet, phase = make_search_phase(problem, fabric, binding=True)
    with torch.no_grad():  # only a path through this candidate sees anything
        for parameter in supernet.path_module((0, 4))[1].parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    paths = [(4, 4), (0, 4), (1, 4)]
    images, labels = next(phase.architecture_feeder.stream())
    losses = []
    for path in paths:
        supernet.train()
        with torch.no_grad():
            losses.append(float(torch.nn.functional.cross_entropy(supernet.path_module(path)(images), labels)))
    supernet.load_state_dict(before)
    assert len(set(losses)) == 2
    for order in (paths, paths[::-1]):
        ordered = rank_by_loss(supernet, phase.architecture_feeder, 1, fabric, order)
        assert sorted(ordered) == sorted(paths)
        assert [losses[paths.index(path)] for path in ordered] == sorted(losses)
    assert rank_by_loss(supernet, phase.architecture_feeder, 1, fabric, []) == []
    assert all(torch.equal(value, before[name]) for name, value in supernet.state_dict().items())


def test_settings_make_rules() -> None:
    rule = make_rule(SearchSettings.make(path_rule="gumbel-hard", gumbel_begin=3, gumbel_end=0.3))
    assert rule == GumbelSoftmax(3.0, 0.3, hard=True)
