from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latkit.errors import TargetOutOfReach, UsageError
from latkit.search.derive import check_reach, derive, most_probable
from latkit.search.distribution import PathDistribution
from latkit.spaces import Space
from latkit.tables import LatencyTable


@st.composite
def problems(draw: st.DrawFn) -> tuple[LatencyTable, np.ndarray, float, float]:
    """A table of whole seconds, log-probabilities, and two bounds that some path may or may not meet."""
    counts = draw(st.lists(st.integers(2, 4), min_size=1, max_size=4))
    rows = [draw(st.lists(st.integers(-2, 12), min_size=count, max_size=count)) for count in counts]
    table = LatencyTable.from_seconds("s", "k", [[float(value) for value in row] for row in rows], base_s=50.0)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    log_probabilities = np.full((len(counts), max(counts)), -np.inf)
    for row, count in zip(log_probabilities, counts, strict=True):
        row[:count] = np.log(rng.dirichlet(np.ones(count)))
    most_s = draw(st.floats(table.fastest(), table.slowest() + 1))
    return table, log_probabilities, draw(st.floats(0.9, 1.0)) * most_s, most_s


@given(problem=problems())
def test_repair_finds_what_brute_force_finds(problem: tuple[LatencyTable, np.ndarray, float, float]) -> None:
    table, log_probabilities, least_s, most_s = problem
    every = list(itertools.product(*(range(int(row.sum())) for row in table.mask)))
    seconds = {architecture: float(table.lookup(torch.tensor(architecture))) for architecture in every}
    fast_enough = [architecture for architecture in every if seconds[architecture] <= most_s * (1 + 1e-12)]
    within = [architecture for architecture in fast_enough if seconds[architecture] >= least_s] or fast_enough

    def score(architecture: tuple[int, ...]) -> float:
        return float(sum(row[index] for row, index in zip(log_probabilities, architecture, strict=True)))

    found = most_probable(log_probabilities, table, least_s, most_s)
    assert found in within
    assert score(found) == pytest.approx(max(map(score, within)))


def decided(space: Space, architecture: tuple[int, ...]) -> PathDistribution:
    distribution = PathDistribution(space)
    with torch.no_grad():
        for row, index in enumerate(architecture):
            distribution.logits[row, index] = 3.0
    return distribution


def test_a_strongest_path_at_the_target_is_kept(mini_space: Space, table_of: Callable[[Space], LatencyTable]) -> None:
    table = table_of(mini_space)
    target_s = float(table.lookup(torch.tensor((1, 2))))
    derived = derive(decided(mini_space, (1, 2)), table, target_s)
    assert derived.architecture == (1, 2)
    assert derived.swaps == 0
    assert derived.predicted_s == derived.strongest_s == target_s


@pytest.mark.parametrize("strongest", [(3, 3), (4, 4)])
def test_a_path_off_the_target_is_repaired_by_few_swaps(
    mini_space: Space, table_of: Callable[[Space], LatencyTable], strongest: tuple[int, int]
) -> None:
    table = table_of(mini_space)
    target_s = float(table.lookup(torch.tensor((3, 4))))
    derived = derive(decided(mini_space, strongest), table, target_s)
    assert derived.swaps == 1
    assert 0.98 <= derived.predicted_s / target_s <= 1.01


def test_where_nothing_lies_at_the_target_the_path_is_faster(
    mini_space: Space, table_of: Callable[[Space], LatencyTable]
) -> None:
    table = table_of(mini_space)
    target_s = table.fastest() * 1.5
    derived = derive(decided(mini_space, (3, 3)), table, target_s)
    assert derived.predicted_s < 0.98 * target_s


def test_a_target_out_of_reach_says_what_can_be_reached(
    mini_space: Space, table_of: Callable[[Space], LatencyTable]
) -> None:
    table = table_of(mini_space)
    with pytest.raises(TargetOutOfReach, match=r"found 1e-06 ms; its networks take from 0\.001 to 0\.0\d+ ms"):
        check_reach(table, 1e-9)
    with pytest.raises(UsageError, match="more than 0 ms"):
        check_reach(table, -1.0)
    assert check_reach(table, table.fastest())
    assert not check_reach(table, table.slowest())


def test_a_target_that_does_not_bind_keeps_the_strongest_path(
    mini_space: Space, table_of: Callable[[Space], LatencyTable]
) -> None:
    table = table_of(mini_space)
    assert derive(decided(mini_space, (4, 0)), table, table.slowest() * 10).architecture == (4, 0)
