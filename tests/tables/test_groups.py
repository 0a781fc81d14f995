import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latkit.errors import UsageError
from latkit.tables.groups import LARGEST, Groups

ROWS = st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=9), min_size=1, max_size=8)


@given(ROWS, st.sampled_from([np.uint8, np.int16, np.int64]), st.randoms(use_true_random=False))
def test_groups_sum_what_the_rows_hold(rows, kind, rng) -> None:
    architectures = np.array([[rng.randrange(len(row)) for row in rows] for _ in range(7)], dtype=kind)
    expected = [sum(row[index] for row, index in zip(rows, one, strict=True)) for one in architectures]
    assert Groups.of(rows).totals(architectures).tolist() == expected


def test_no_group_is_larger_than_a_cache_unless_one_choice_is() -> None:
    assert [len(group.choices) for group in Groups.of([[0.0] * 7] * 21).groups] == [4, 4, 4, 4, 4, 1]
    assert [len(group.choices) for group in Groups.of([[0.0] * 3, [0.0] * (LARGEST + 1), [0.0] * 3]).groups] == [
        1,
        1,
        1,
    ]


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (np.uint8, [2, 0]),
        (np.uint8, [0, 3]),
        (np.uint8, [255, 0]),
        (np.int8, [-1, 0]),
        (np.int64, [0, -1]),
        (np.int64, [256, 1]),
        (np.int64, [0, 2**40]),
    ],
)
def test_an_index_that_names_no_candidate_is_refused(kind: type, wrong: list[int]) -> None:
    with pytest.raises(UsageError, match="does not stand"):
        Groups.of([[1.0, 2.0], [1.0, 2.0, 3.0]]).totals(np.array([[0, 0], wrong], dtype=kind))


def test_no_architecture_has_no_total() -> None:
    assert Groups.of([[1.0, 2.0]]).totals(np.empty((0, 1), dtype=np.uint8)).shape == (0,)
