"""The benchmark of strategies: its arithmetic, and its tables where the data is there."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from benchmarks.strategies import DATA, Job, accuracies, hypervolume, limited_regret, load_cache, run_all
from benchmarks.strategy_tables import PoolSpace, nasbench201
from latkit.errors import UsageError
from tests.search.toy import toy_space

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no tables of real results in {DATA}")


def test_a_hypervolume_is_the_area_that_the_points_dominate() -> None:
    assert hypervolume([(1.0, 3.0), (2.0, 1.0), (1.0, 1.0)], (0.0, 0.0)) == 1 * 3 + 1 * 1
    assert hypervolume([], (0.0, 0.0)) == 0


def test_a_pool_has_its_members_alone() -> None:
    inner, rng = toy_space(), random.Random(0)
    members = sorted({inner.sample(rng) for _ in range(60)})
    pool = PoolSpace(inner, members)
    assert all(pool.sample(rng) in members for _ in range(20))
    assert set(pool.neighbors(members[0])) <= set(members) - {members[0]}
    outside = next(one for one in (inner.sample(rng) for _ in range(500)) if one not in members)
    with pytest.raises(UsageError, match="expected a member of the pool"):
        pool.check(outside)


@needs_data
@pytest.mark.slow
def test_local_search_finds_more_than_random_draws_and_stays_within_limits() -> None:
    local, drawn = (
        [accuracies(Job("nasbench201", name, seed, str(DATA)), {}, (100,))["100"] for seed in range(5)]
        for name in ("local-search", "random")
    )
    assert sum(local) > sum(drawn)
    assert 0 <= limited_regret(Job("limited", "evolution", 0, str(DATA), "pixel3@0.3"))["regret"] < 5


@needs_data
@pytest.mark.slow
def test_a_table_with_nan_is_refused(tmp_path: Path) -> None:
    for name in ("200epochs", "latency_ms"):
        (tmp_path / f"nasbench201_{name}.npz").symlink_to(DATA / f"nasbench201_{name}.npz")
    with np.load(DATA / "nasbench201_accuracy.npz", allow_pickle=False) as table:
        columns = {name: table[name] for name in ("arch", "cifar10_val_12epochs")}
    columns["cifar10_val_12epochs"][5] = np.nan
    np.savez(tmp_path / "nasbench201_accuracy.npz", **columns)
    with pytest.raises(UsageError, match="expected finite numbers in cifar10_val_12epochs"):
        nasbench201(tmp_path)


@needs_data
@pytest.mark.slow
def test_runs_in_the_cache_are_not_repeated(tmp_path: Path) -> None:
    job = Job("ask_tell", "random", 0, str(DATA))
    cache = tmp_path / "cache"
    first = run_all([job], cache)
    assert run_all([job], cache) == first
    assert load_cache(cache) == {repr(job): first[job]}
