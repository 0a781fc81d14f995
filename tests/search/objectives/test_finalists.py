"""The last choice: a few architectures trained briefly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from latkit.search import DataSplit, run_search
from latkit.search.gradient.factory import make_search_phase
from latkit.search.objectives.constraints import Constraint
from latkit.search.objectives.derivation import bounds, derive
from latkit.search.objectives.finalists import FinalistTrainer, finalists
from latkit.search.records.problem import Problem
from latkit.search.supernet.distribution import PathDistribution
from latkit.search.training.runtime_env import fabric_of
from latkit.spaces import Space, load
from latkit.tables import LatencyTable, macs_table
from tests.search.conftest import Tables, brief, middle_s, some_path_s


class Heard:
    """Progress that records the phases' names."""

    def __init__(self) -> None:
        self.phases: list[str] = []

    def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
        assert done <= total, text
        self.phases = [*self.phases, *([] if phase in self.phases else [phase])]


@pytest.fixture
def table(mini_space: Space, table_of: Tables) -> LatencyTable:
    return table_of(mini_space)


def problem(space: Space, table: LatencyTable, target_s: float, *limits: Constraint, **chosen: Any) -> Problem:
    return Problem(space, table, None, target_s, brief(**chosen), constraints=limits)


def test_finalists_are_the_one_found_and_others_that_hit_the_target(table_of: Tables) -> None:
    space = load("proxyless-tiny", resolution=16)
    table, distribution = table_of(space), PathDistribution(space)
    target_s = middle_s(table)
    min_s, max_s = bounds(table, target_s)
    first = derive(distribution, table, target_s).architecture
    given = partial(problem, space, table, target_s)
    found = finalists(distribution, given(finalists=100), first)
    assert found[0] == first
    assert len(set(found)) == len(found) > 2
    assert all(min_s <= table.total(path) <= max_s for path in found)
    assert finalists(distribution, given(finalists=2), first) == found[:2]
    assert finalists(distribution, given(finalists=1), first) == [first]
    drawn = finalists(distribution, given(finalists=9, repair_candidates=8), first)

    def reverse(paths: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        return list(reversed(paths))

    remaining = finalists(distribution, given(finalists=3, repair_candidates=8), first, reverse)
    assert remaining == [first, drawn[8], drawn[7]], "the first two in that order of eight drawn"
    macs = macs_table(space)
    max_macs = sorted(macs.total(path) for path in found)[len(found) // 2]
    remaining = finalists(distribution, given(Constraint("macs", macs, max_macs), finalists=100), found[0])
    admitted = [first, *(path for path in found[1:] if macs.total(path) <= max_macs)]
    assert remaining[: len(admitted)] == admitted
    assert all(macs.total(path) <= max_macs for path in remaining[1:])


def test_a_distribution_that_is_decided_has_one_finalist(mini_space: Space, table: LatencyTable) -> None:
    distribution, target_s = PathDistribution(mini_space), some_path_s(table)
    first = derive(distribution, table, target_s).architecture
    with torch.no_grad():
        for row, candidate in zip(distribution.logits, first, strict=True):
            row[candidate] = 50.0
    assert finalists(distribution, problem(mini_space, table, target_s, finalists=9), first) == [first]


def test_finalists_learn_from_some_training_images_and_are_judged_by_the_others(
    mini_space: Space, table: LatencyTable, stripes_data: DataSplit
) -> None:
    settings = brief(finalists=2, training_epochs=9, architecture_share=0.25)
    problem = Problem(mini_space, table, stripes_data, some_path_s(table), settings)
    _, phase = make_search_phase(problem, fabric_of(settings), binding=True)
    heard = Heard()
    trainer = FinalistTrainer(problem, phase, fabric_of(settings), heard)
    parts = [phase.weight_feeder.plan.indices, phase.architecture_feeder.plan.indices]
    for images, indices in zip((trainer.data.train, trainer.data.test), parts, strict=True):
        assert torch.equal(images.fetch(torch.arange(len(indices))), stripes_data.train.fetch(indices))
        assert torch.equal(images.labels, stripes_data.train.labels[indices])
    assert trainer.score((1, 4), "first") == trainer.score((1, 4), "again") > 0.5
    assert heard.phases == ["first: training", "again: training"]
    assert trainer.settings.training_epochs == 3, "a quarter of 9, rounded up"
    problem = replace(problem, settings=brief(finalists=2, finalist_epochs=7, training_epochs=9))
    assert FinalistTrainer(problem, phase, fabric_of(settings), heard).settings.training_epochs == 7


def test_the_best_finalist_is_derived(
    mini_space: Space, table: LatencyTable, stripes_data: DataSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated = []

    def last_is_best(_trainer: FinalistTrainer, architecture: tuple[int, ...], name: str) -> float:
        evaluated.append((architecture, name))
        return 0.5 + 0.1 * len(evaluated)

    monkeypatch.setattr(FinalistTrainer, "score", last_is_best)
    target_s = some_path_s(table)
    result = run_search(Problem(mini_space, table, stripes_data, target_s, brief(finalists=2)), tmp_path / "net")
    assert [name for _, name in evaluated] == ["finalist 1 of 2", "finalist 2 of 2"]
    assert result.architecture == evaluated[-1][0]
    assert result.predicted_latency_s == table.total(result.architecture)
    assert result.notes[0] == "the best of 2 finalists, trained briefly (on unseen training images: 70.0 %, 60.0 %)"


def test_the_other_finalists_are_those_that_shared_weights_put_first(
    mini_space: Space, table: LatencyTable, stripes_data: DataSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, trained = [], []

    def last_first(*given: object) -> list[tuple[int, ...]]:
        paths = given[-1]
        assert isinstance(paths, list)
        drawn.append(paths)
        return paths[::-1]

    def alike(_trainer: FinalistTrainer, architecture: tuple[int, ...], _name: str) -> float:
        trained.append(architecture)
        return 0.5

    monkeypatch.setattr("latkit.search.run.rank_by_loss", last_first)
    monkeypatch.setattr(FinalistTrainer, "score", alike)
    run_search(Problem(mini_space, table, stripes_data, some_path_s(table), brief(finalists=2)), tmp_path / "net")
    assert trained[1:] == [drawn[-1][-1]]
