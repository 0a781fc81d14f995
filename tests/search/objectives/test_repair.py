"""The most probable paths within bounds, against brute force, with and without pair terms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latkit.search.objectives import repair
from latkit.search.objectives.constraints import Constraint
from latkit.search.objectives.repair import k_best_paths
from latkit.tables import AdditiveTable
from tests.tables.brute_force import every, random_table

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=5)


def brute_force(
    scores: np.ndarray, table: AdditiveTable, min_s: float, max_s: float, other: Constraint, count: int
) -> list[float]:
    """The scores of the best paths."""
    feasible = [path for path in every(table) if table.total(path) <= max_s and other.admits(path)]
    within = [path for path in feasible if table.total(path) >= min_s] or feasible
    return sorted((sum(scores[place, index] for place, index in enumerate(path)) for path in within), reverse=True)[
        :count
    ]


@settings(deadline=None)
@given(SIZES, st.integers(0, 2**32), st.floats(0.05, 1.0), st.floats(0.05, 1.0), st.integers(1, 4), st.booleans())
def test_small_spaces_are_searched_exactly(
    sizes: list[int], seed: int, share: float, other_share: float, count: int, has_pairs: bool
) -> None:
    table = random_table(sizes, seed, 0.7 * has_pairs)
    other = random_table(sizes, seed + 1, 0.7 * has_pairs)
    max_s = table.min() + share * (table.max() - table.min()) + 1e-9
    constraint = Constraint("other", other, other.min() + other_share * (other.max() - other.min()) + 1e-9)
    scores = np.log(np.random.default_rng(seed).dirichlet(np.ones(max(sizes)), len(sizes)))
    found = k_best_paths(scores, table, 0.9 * max_s, max_s, [constraint], count)
    assert [scores[range(len(sizes)), list(path)].sum() for path in found] == pytest.approx(
        brute_force(scores, table, 0.9 * max_s, max_s, constraint, count)
    )
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("seed", range(5))
def test_beyond_the_exhaustive_size_the_best_paths_are_found_as_well(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bins keep the most probable partial paths for every last candidate, on which the next pair term depends."""
    table = random_table([5] * 6, seed, share=1.0)
    max_s = table.min() + 0.3 * (table.max() - table.min())
    scores = np.log(np.random.default_rng(seed).dirichlet(np.ones(5), 6))
    exact = k_best_paths(scores, table, 0.95 * max_s, max_s, count=3)
    monkeypatch.setattr(repair, "EXACT", 50)
    binned = k_best_paths(scores, table, 0.95 * max_s, max_s, count=3)
    assert all(0.95 * max_s <= table.total(path) <= max_s for path in binned)
    totals = [[scores[range(6), list(path)].sum() for path in paths] for paths in (exact, binned)]
    assert totals[1] == pytest.approx(totals[0], abs=0.05)


def test_bins_without_the_last_candidate_would_miss_the_only_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The less probable candidate is the only one that the next choice goes with."""
    forbidden = [[1.0, 1.0], [1.0, 0.0]]
    table = AdditiveTable("s", "k", [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]], 1.0, [None, forbidden])
    monkeypatch.setattr(repair, "EXACT", 1)
    scores = np.log(np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]]))
    assert k_best_paths(scores, table, 0.0, 1.0) == [(0, 1, 1)]
    assert k_best_paths(scores, table, 0.0, 2.0) == [(0, 0, 0)]


def test_no_path_within_the_bounds() -> None:
    table = random_table([2, 2], 0, share=1.0)
    assert k_best_paths(np.zeros((2, 2)), table, 0.0, table.min() - 0.1) == []
    assert len(k_best_paths(np.zeros((2, 2)), table, 0.0, table.max(), count=9)) == len(
        list(itertools.product(range(2), repeat=2))
    )
