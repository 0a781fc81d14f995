import numpy as np
import pytest

from latkit.latency_models.trees.batch_selection import select_batch

GRID = np.array([[x, y] for x in range(5) for y in range(5)], dtype=np.float64)
NOTHING = np.empty((0, 2))


def test_with_nothing_known_a_batch_spreads_over_the_pool() -> None:
    chosen = GRID[select_batch(NOTHING, np.empty(0), GRID, 5)]
    distances = np.linalg.norm(chosen[:, None] - chosen[None], axis=-1)
    assert distances[np.triu_indices(5, 1)].min() >= 2


def test_what_is_known_is_not_measured_again() -> None:
    known = GRID[:10]  # x is 0 or 1
    chosen = GRID[select_batch(known, np.full(10, 0.1), GRID, 3)]
    assert (chosen[:, 0] >= 3).any()
    assert not (chosen[:, 0] <= 1).any()


def test_places_where_the_model_errs_come_first() -> None:
    errors = np.where(GRID[::2, 1] >= 3, 1.0, 0.01)
    pool = GRID[1::2]
    chosen = pool[select_batch(GRID[::2], errors, pool, 4)]
    assert (chosen[:, 1] >= 2).all()


def test_a_feature_of_no_importance_has_no_say() -> None:
    chosen = GRID[select_batch(NOTHING, np.empty(0), GRID, 5, importance=np.array([1.0, 0.0]))]
    assert sorted(chosen[:, 0]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("count", [0, 25, 40])
def test_never_more_than_the_pool_and_none_twice(count: int) -> None:
    chosen = select_batch(NOTHING, np.empty(0), GRID, count)
    assert len(chosen) == len(set(chosen)) == min(count, 25)


def test_a_known_point_with_the_largest_error_is_selected_only_once() -> None:
    apart = np.eye(8)
    chosen = select_batch(apart, apart[0], apart, 3)
    assert chosen[0] == 0
    assert len(set(chosen)) == 3
