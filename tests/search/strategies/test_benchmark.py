"""The benchmark of strategies: its arithmetic, and its tables where the data is there."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.strategies import DATA, jobs_of, load_cache, run_all
from benchmarks.strategy_runs import (
    Job,
    Optimum,
    Outcome,
    accuracies,
    hypervolume,
    limit_of,
    limited_regret,
    optimum_of,
)
from benchmarks.strategy_tables import Section, as_page

ROOT = Path(__file__).parents[3]
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no tables of real results in {DATA}")


def test_a_hypervolume_is_the_area_that_the_points_dominate() -> None:
    assert hypervolume([(1.0, 3.0), (2.0, 1.0), (1.0, 1.0)], (0.0, 0.0)) == 1 * 3 + 1 * 1
    assert hypervolume([], (0.0, 0.0)) == 0


def test_a_page_has_means_spreads_and_what_is_left_to_the_best() -> None:
    found = {"random": [{"50": 90.0, "150": 94.0}, {"50": 92.0, "150": 94.0}]}
    taken = {"random": [2.0, 2.5]}
    accurate = Section("nasbench201", Optimum(94.37, 94.3), found, taken)
    page = as_page([accurate, Section("limited_regret", Optimum(0.0, 0.25), found)], ["One line."])
    assert "| `random` | 91.00 ± 1.00 (3.37) | 94.00 ± 0.00 (0.37) | 2 | 2.25 |" in page
    assert "| `random` | 91.00 ± 1.00 | 94.00 ± 0.00 | 2 | unknown |" in page
    assert (
        "points below 94.37, the best in the table; a search that sees every validation accuracy returns 94.30." in page
    )
    assert "runs; 0.25 is the mean of a search that sees every validation accuracy." in page
    assert page.endswith("## Speed\n\nOne line.\n")
    assert Section("limited_regret", None, found).document() == {"random": 94.0}


def test_a_cache_may_have_runs_whose_time_was_not_recorded_and_a_line_cut_off(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.write_text('["a", {"50": 90.0}]\n["b", {"50": 91.0}, 0.5]\n["c", {"50"')
    assert load_cache(cache) == {"a": Outcome({"50": 90.0}), "b": Outcome({"50": 91.0}, 0.5)}
    assert load_cache(None) == {}


def test_a_worker_ends_with_the_benchmark_that_was_killed() -> None:
    code = (
        "import os, time\n"
        "from benchmarks.worker_pool import worker_pool\n"
        "pool = worker_pool(1)\n"
        "print(pool.apply(os.getpid), flush=True)\n"
        "pool.apply(time.sleep, (60,))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT, text=True) as started:
        assert started.stdout is not None
        worker = os.pidfd_open(int(started.stdout.readline()))
        started.kill()
    ended, _, _ = select.select([worker], [], [], 20)
    os.close(worker)
    assert ended


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
def test_what_there_is_to_find_is_named_beside_what_was_found() -> None:
    optimum, (_, limited) = optimum_of("nasbench201", str(DATA)), limit_of(str(DATA), "pixel3@0.3")
    assert round(optimum.best, 2) == round(optimum.chosen, 2) == 94.37
    assert limited.chosen <= limited.best < optimum.best


@needs_data
@pytest.mark.slow
def test_no_two_limited_runs_of_a_strategy_have_one_seed() -> None:
    seeds = [job.seed for job in jobs_of("limited_regret", "random", 2, DATA)]
    assert len(seeds) == len(set(seeds)) == 2 * 63


@needs_data
@pytest.mark.slow
def test_runs_in_the_cache_are_not_repeated(tmp_path: Path) -> None:
    job = Job("ask_tell_ms", "random", 0, str(DATA))
    cache = tmp_path / "cache"
    first = run_all([job], cache)
    assert run_all([job], cache) == first
    assert load_cache(cache) == {repr(job): first[job]}
