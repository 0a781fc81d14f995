from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latkit.errors import TargetOutOfReach, UsageError
from latkit.search.objectives import repair
from latkit.search.objectives.constraints import Constraint, check_constraints
from latkit.search.objectives.derivation import check_reach, derive
from latkit.search.objectives.repair import k_best_paths
from latkit.search.supernet.distribution import PathDistribution
from latkit.spaces import Space
from latkit.tables import AdditiveTable, LatencyTable, PeakTable, macs_table, parameters_table

Problem = tuple[np.ndarray, LatencyTable, float, float, list[Constraint]]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """A table of whole seconds, log-probabilities, two bounds that some path may or may not meet, and constraints."""
    counts = draw(st.lists(st.integers(2, 4), min_size=1, max_size=4))

    def rows() -> list[list[float]]:
        return [draw(st.lists(st.integers(-2, 12).map(float), min_size=count, max_size=count)) for count in counts]

    table = LatencyTable.from_seconds("s", "k", rows(), base_s=50.0)
    others = [AdditiveTable("s", "k", rows(), 50.0) for _ in range(draw(st.integers(0, 2)))]
    fractions = st.floats(0, 1.1)
    constraints = [
        Constraint(f"constraint{number}", other, other.min() + draw(fractions) * (other.max() - other.min()))
        for number, other in enumerate(others)
    ]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    log_probabilities = np.full((len(counts), max(counts)), -np.inf)
    for row, count in zip(log_probabilities, counts, strict=True):
        row[:count] = np.log(rng.dirichlet(np.ones(count)))
    max_s = draw(st.floats(table.fastest(), table.slowest() + 1))
    return log_probabilities, table, draw(st.floats(0.9, 1.0)) * max_s, max_s, constraints


def enumerated(problem: Problem) -> list[tuple[int, ...]]:
    """The paths that the repair may return: within both bounds if there are any, else below the upper ones."""
    _, table, min_s, max_s, constraints = problem
    every = list(itertools.product(*(range(int(row.sum())) for row in table.mask)))
    feasible = [
        path
        for path in every
        if all(constraint.value(path) <= constraint.max_value * (1 + 1e-12) for constraint in constraints)
    ]
    fast_paths = [path for path in feasible if table.total(path) <= max_s * (1 + 1e-12)]
    return [path for path in fast_paths if table.total(path) >= min_s] or fast_paths


def score(log_probabilities: np.ndarray, path: tuple[int, ...]) -> float:
    return float(sum(row[index] for row, index in zip(log_probabilities, path, strict=True)))


@given(problem=problems(), count=st.integers(1, 5))
def test_repair_finds_what_brute_force_finds(problem: Problem, count: int) -> None:
    within = enumerated(problem)
    found = k_best_paths(*problem, count)
    assert len(set(found)) == len(found) == min(count, len(within))
    assert set(found) <= set(within)
    best = sorted((score(problem[0], path) for path in within), reverse=True)
    assert [score(problem[0], path) for path in found] == pytest.approx(best[:count])


@pytest.mark.slow
@given(problem=problems(), count=st.integers(1, 3))
def test_repair_meets_its_bounds_where_it_cannot_keep_every_path(problem: Problem, count: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repair, "EXACT", 0)
        found = k_best_paths(*problem, count)
        within = enumerated(problem)
    assert bool(found) == bool(within)
    assert set(found) <= set(within)
    if not problem[4] and found:
        best = max(score(problem[0], path) for path in within)
        assert score(problem[0], found[0]) == pytest.approx(best)


@pytest.mark.parametrize("seed", range(10))
def test_bounds_as_low_as_can_be_are_met_however_sums_are_rounded(seed: int) -> None:
    rows = np.random.default_rng(seed).uniform(0, 1, (20, 3))
    table = LatencyTable.from_seconds("s", "k", rows.tolist(), 1.0)
    other = AdditiveTable("s", "k", rows[::-1].tolist(), 1.0)
    alike = np.zeros((20, 3))
    fastest, leanest = (tuple(values.argmin(1).tolist()) for values in (rows, rows[::-1]))
    assert k_best_paths(alike, table, 0.0, table.total(fastest)) == [fastest]
    constraint = Constraint("other", other, other.total(leanest))
    assert k_best_paths(alike, table, 0.0, table.slowest(), [constraint]) == [leanest]


def test_under_a_limit_a_lean_path_stays_among_equally_fast_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first choice's candidates fall into the same bins; only the less probable one leaves room for the second."""
    monkeypatch.setattr(repair, "EXACT", 0)
    table = LatencyTable.from_seconds("s", "k", [[0.0, 0.0], [0.0, 1.0]], 1.0)
    constraint = Constraint("other", AdditiveTable("s", "k", [[1.0, 0.0], [0.0, 100.0]], 0.0), 100.0)
    log_probabilities = np.log([[0.9, 0.1], [0.5, 0.5]])
    assert k_best_paths(log_probabilities, table, 1.98, 2.0, [constraint]) == [(1, 1)]


@pytest.mark.slow
def test_repair_is_quick_in_a_space_too_large_to_enumerate() -> None:
    rng = np.random.default_rng(0)
    table = LatencyTable.from_seconds("s", "k", rng.uniform(0, 1, (20, 7)).tolist(), 1.0)
    other = AdditiveTable("s", "k", rng.uniform(0, 1, (20, 7)).tolist(), 1.0)
    log_probabilities = np.log(rng.dirichlet(np.ones(7), 20))
    constraint = Constraint("other", other, 8.0)
    found = k_best_paths(log_probabilities, table, 9.8, 10.1, [constraint], 3)
    assert len(found) == 3
    assert all(constraint.admits(path) and 9.8 <= table.total(path) <= 10.1 for path in found)
    free = k_best_paths(log_probabilities, table, 9.8, 10.1)[0]
    assert score(log_probabilities, found[0]) <= score(log_probabilities, free)


def decided(space: Space, architecture: tuple[int, ...]) -> PathDistribution:
    distribution = PathDistribution(space)
    with torch.no_grad():
        for row, index in enumerate(architecture):
            distribution.logits[row, index] = 3.0
    return distribution


def test_the_strongest_path_is_not_changed_if_it_meets_the_target(
    mini_space: Space, table_of: Callable[[Space], LatencyTable]
) -> None:
    table = table_of(mini_space)
    target_s = float(table.lookup(torch.tensor((1, 2))))
    derived = derive(decided(mini_space, (1, 2)), table, target_s)
    assert derived.architecture == (1, 2)
    assert derived.swaps == 0
    assert derived.predicted_s == derived.strongest_s == target_s


@pytest.mark.parametrize("strongest", [(3, 3), (4, 4)])
def test_a_path_off_the_target_is_repaired_by_few_changes(
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


def test_a_strongest_path_that_breaks_a_limit_is_repaired(
    mini_space: Space, table_of: Callable[[Space], LatencyTable]
) -> None:
    table, target_s = table_of(mini_space), table_of(mini_space).slowest() * 10
    parameters = parameters_table(mini_space)
    constraint = Constraint("params", parameters, parameters.total((3, 1)))
    derived = derive(decided(mini_space, (3, 3)), table, target_s, [constraint])
    assert constraint.admits(derived.architecture)
    assert derived.swaps == 1
    assert derive(decided(mini_space, (3, 1)), table, target_s, [constraint]).swaps == 0


def test_the_peak_of_memory_is_a_limit_too(mini_space: Space, table_of: Callable[[Space], LatencyTable]) -> None:
    table, peak = table_of(mini_space), PeakTable(mini_space)
    constraint = Constraint("peak_bytes", peak, float(peak.lookup(torch.tensor((0, 0)))))
    assert not constraint.admits((1, 0))
    derived = derive(decided(mini_space, (1, 3)), table, table.slowest() * 10, [constraint])
    assert constraint.admits(derived.architecture)
    every = itertools.product(range(5), repeat=2)
    assert {constraint.admits(path) for path in every} == {True, False}


def test_of_several_repairs_the_first_by_the_given_order_is_taken(
    mini_space: Space, table_of: Callable[[Space], LatencyTable]
) -> None:
    table, candidates = table_of(mini_space), []
    target_s = table.total((3, 4))

    def last(paths: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        candidates.extend(paths)
        return list(reversed(paths))

    derived = derive(decided(mini_space, (3, 3)), table, target_s, (), 3, last)
    assert len(candidates) > 1
    assert derived.architecture == candidates[-1]
    assert all(0.98 <= table.total(path) / target_s <= 1.01 for path in candidates)
    assert candidates[0] == derive(decided(mini_space, (3, 3)), table, target_s).architecture


def test_limits_that_no_network_satisfies_are_reported(
    mini_space: Space, table_of: Callable[[Space], LatencyTable]
) -> None:
    table, macs = table_of(mini_space), macs_table(mini_space)
    with pytest.raises(
        TargetOutOfReach, match=r"constraint on macs that space mini can meet, but found 1; .* from \d+ to"
    ):
        check_constraints([Constraint("macs", macs, 1)], mini_space)
    with pytest.raises(UsageError, match="expected one constraint on macs, but found 2"):
        check_constraints([Constraint("macs", macs, 1e9), Constraint("macs", macs, 2e9)], mini_space)
    with pytest.raises(UsageError, match="expected a bound of more than 0, but found -1"):
        Constraint("macs", macs, -1)
    with pytest.raises(TargetOutOfReach, match=r"but found 1e-06 ms; its networks have from 0\.001 ms to 0\.0\d+ ms"):
        check_constraints([Constraint("pi4/tflite-t1-fp32-b1", table, 1e-9)], mini_space)
    elsewhere = AdditiveTable("other", "key", [[1.0, 2.0]], 0.0)
    with pytest.raises(UsageError, match="constraint there: its table was made for another space than 'mini'"):
        check_constraints([Constraint("there", elsewhere, 1)], mini_space)
    reversed_rows = [[1.0 - second for second in row] for row in table.rows()]
    against = Constraint("against", AdditiveTable("mini", mini_space.key, reversed_rows, 0.0), 2.0 - 2e-5)
    check_constraints([against], mini_space)
    with pytest.raises(TargetOutOfReach, match="found none that has against of at most"):
        check_reach(table, table.fastest(), [against])
