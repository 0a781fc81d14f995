"""The benchmark of strategies: its arithmetic, and its tables where the data is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.strategies import DATA, load_cache, run_all
from benchmarks.strategy_runs import Job, accuracies, hypervolume, limited_regret
from benchmarks.strategy_tables import Section, as_page

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no tables of real results in {DATA}")


def test_a_hypervolume_is_the_area_that_the_points_dominate() -> None:
    assert hypervolume([(1.0, 3.0), (2.0, 1.0), (1.0, 1.0)], (0.0, 0.0)) == 1 * 3 + 1 * 1
    assert hypervolume([], (0.0, 0.0)) == 0


def test_a_page_has_means_spreads_and_what_is_left_to_the_best() -> None:
    found = {"random": [{"50": 90.0, "150": 94.0}, {"50": 92.0, "150": 94.0}]}
    page = as_page([Section("nasbench201", 94.37, found), Section("limited_regret", None, found)], ["One line."])
    assert "| `random` | 91.00 ± 1.00 (3.37) | 94.00 ± 0.00 (0.37) | 2 |" in page
    assert page.endswith("## Speed\n\nOne line.\n")
    assert Section("limited_regret", None, found).document() == {"random": 94.0}


@needs_data
@pytest.mark.slow
def test_local_search_finds_more_than_random_draws_and_stays_within_limits() -> None:
    local, drawn = (
        [accuracies(Job("nasbench201", name, seed, str(DATA)), "nasbench201", (100,))["100"] for seed in range(5)]
        for name in ("local-search", "random")
    )
    assert sum(local) > sum(drawn)
    assert 0 <= limited_regret(Job("limited_regret", "evolution", 0, str(DATA), "pixel3@0.3"))["150"] < 5


@needs_data
@pytest.mark.slow
def test_runs_in_the_cache_are_not_repeated(tmp_path: Path) -> None:
    job = Job("ask_tell_ms", "random", 0, str(DATA))
    cache = tmp_path / "cache"
    first = run_all([job], cache)
    assert run_all([job], cache) == first
    assert load_cache(cache) == {repr(job): first[job]}
