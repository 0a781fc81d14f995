"""Pair terms: all that a table answers equals what brute force over all architectures finds."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latkit.errors import BadFile, UsageError
from latkit.tables import AdditiveTable, LatencyTable
from latkit.tables.groups import LARGEST, Groups
from latkit.tables.pairs import checked_pairs
from tests.tables.brute_force import cost, every, random_table

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=5)


@settings(deadline=None)
@given(SIZES, st.integers(0, 2**32))
def test_costs_of_architectures_are_those_of_brute_force(sizes: list[int], seed: int) -> None:
    table = random_table(sizes, seed)
    architectures = every(table)
    expected = [cost(table, architecture) for architecture in architectures]
    assert [table.total(architecture) for architecture in architectures] == pytest.approx(expected)
    for kind in (torch.uint8, torch.int64):
        assert table.lookup(torch.tensor(architectures, dtype=kind)).tolist() == pytest.approx(expected)
    one_hot = torch.stack([table.one_hot(architecture) for architecture in architectures])
    assert table.expected(one_hot).tolist() == pytest.approx(expected)
    assert table.min() == pytest.approx(min(expected))
    assert table.max() == pytest.approx(max(expected))


@settings(deadline=None)
@given(SIZES, st.integers(0, 2**32))
def test_an_expectation_is_the_sum_over_all_architectures(sizes: list[int], seed: int) -> None:
    table = random_table(sizes, seed)
    logits = torch.tensor(np.random.default_rng(seed).normal(size=table.mask.shape))
    probabilities = table.softmax(logits)
    expected = sum(
        cost(table, architecture) * float(probabilities[range(len(sizes)), list(architecture)].prod())
        for architecture in every(table)
    )
    assert float(table(probabilities)) == pytest.approx(expected)


def test_the_gradient_is_that_of_finite_differences() -> None:
    table = random_table([3, 2, 4, 3], 1, share=1.0)
    logits = torch.randn(2, *table.mask.shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: table(table.softmax(x)), logits)


@settings(deadline=None)
@given(SIZES, st.integers(0, 2**32))
def test_steps_sum_to_the_excess_over_the_minimum(sizes: list[int], seed: int) -> None:
    table = random_table(sizes, seed)
    steps, minimum = table.excess(table.mask.numpy())
    assert minimum == pytest.approx(table.min())
    for architecture in every(table):
        last, total = 0, minimum
        for step, index in zip(steps, architecture, strict=True):
            total += step[min(last, len(step) - 1), index]
            assert step[min(last, len(step) - 1), index] >= -1e-12
            last = index
        assert total == pytest.approx(cost(table, architecture))


def test_groups_with_pairs_overlap_by_one_choice() -> None:
    rows = [[0.0] * 7] * 9
    pairs = checked_pairs([[[1.0] * 7] * 7] * 8, rows, "s")
    assert [list(group.choices) for group in Groups.of(rows, pairs).groups] == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8]]
    assert Groups.of(rows, pairs).totals(np.zeros((1, 9), dtype=np.uint8)).tolist() == [8.0]
    partly = checked_pairs([None, None, None, None, [[1.0] * 7] * 7, None, None, None], rows, "s")
    assert [list(group.choices) for group in Groups.of(rows, partly).groups] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]


def test_a_pair_of_wide_choices_makes_a_group_larger_than_a_cache() -> None:
    wide = 200
    rows = [[float(number) for number in range(wide)]] * 3
    pair = [[float(before * after) for after in range(wide)] for before in range(wide)]
    table = AdditiveTable("wide", "key", rows, 0.0, [pair, pair])
    assert max(len(group.sums) for group in Groups.of(rows, table._pairs).groups) == wide**2 > LARGEST
    architectures = torch.randint(0, wide, (50, 3))
    assert table.lookup(architectures).tolist() == [a + b + c + a * b + b * c for a, b, c in architectures.tolist()]


@pytest.mark.parametrize("ending", [".json", ".safetensors"])
def test_a_saved_table_has_its_pair_terms(ending: str, tmp_path: Path) -> None:
    table = random_table([3, 1, 4, 2], 3, share=0.5)
    assert table.has_pairs
    path = tmp_path / f"table{ending}"
    table.save(path)
    again = LatencyTable.load(path)
    assert again.pair_rows() == table.pair_rows()
    assert again.rows() == table.rows()
    assert b"latkit-table-2" in path.read_bytes()
    plain = random_table([3, 1, 4, 2], 3, share=0.0)
    plain.save(path)
    assert b"latkit-table-1" in path.read_bytes()
    assert LatencyTable.load(path).pairs is None


def test_a_format_without_pair_terms_refuses_them(tmp_path: Path) -> None:
    table = random_table([2, 2], 0, share=1.0)
    with pytest.raises(UsageError, match=r"without pair terms for \.yaml, .* write \.json or \.safetensors"):
        table.check_without_pairs(".yaml")
    random_table([2, 2], 0, share=0.0).check_without_pairs(".yaml")
    path = tmp_path / "table.json"
    table.save(path)
    document = json.loads(path.read_text())
    for change in ({"format": "latkit-table-1"}, {"pairs": []}, {"pairs": [[[1.0]]]}, {"pairs": [None, None]}):
        path.write_text(json.dumps(document | change))
        with pytest.raises(BadFile, match="pair terms"):
            LatencyTable.load(path)
    path.write_text(json.dumps(document | {"pairs": [[[1e30, 0.0], [0.0, 0.0]]]}))
    with pytest.raises(BadFile, match="finite number"):
        LatencyTable.load(path)


def test_pair_terms_of_zero_are_none() -> None:
    table = AdditiveTable("s", "k", [[1.0, 2.0], [1.0]], 0.0, [[[0.0], [0.0]]])
    assert not table.has_pairs
    assert table.numbers() == {"rows": [[1.0, 2.0], [1.0]], "base": 0.0}


def test_other_numbers_make_a_table_of_the_same_sort() -> None:
    table, other = random_table([2, 3], 0, share=1.0), random_table([2, 3], 1, share=1.0)
    again = table.with_numbers(json.loads(json.dumps(other.numbers())))
    assert type(again) is LatencyTable
    assert again.pair_rows() == other.pair_rows()
    assert again.format_value(0.0012) == "1.2 ms"
