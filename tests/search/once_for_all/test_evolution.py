"""Evolution over predictions: within the latency, repeatable, and at the published figure on published data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.ofa_note10 import NOTEBOOK, ofa_25ms, ofa_space, published_predictor, published_table
from latkit import spaces
from latkit.errors import UsageError
from latkit.search.once_for_all.subnets.candidates import draw_at
from latkit.search.once_for_all.subnets.evolution import EvolutionPlan, evolve
from latkit.spaces import ElasticSpace
from latkit.tables import ElasticTable

DATA = Path(__file__).parents[4] / "shared" / "data"
PLAN = EvolutionPlan(population=20, generations=10)


@pytest.fixture(scope="module")
def table() -> ElasticTable:
    space = spaces.load("ofa-tiny")
    assert isinstance(space, ElasticSpace)
    return ElasticTable(space, lambda _, op: 1e-9 * op.macs)  # MACs in place of seconds


def test_what_is_found_is_within_the_latency_and_the_best_comes_first(table: ElasticTable) -> None:
    target = (table.min() + table.max()) / 3
    weights = np.random.default_rng(1).random(len(table.space.features(table.space.smallest)))
    found, again = (evolve(table, lambda features: features @ weights, target, 3, PLAN) for _ in range(2))
    assert found == again
    assert all(0.9 * target <= one.seconds <= target for one in found)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert len({one.architecture for one in found}) == len(found)
    assert table.total(found[0].architecture) == pytest.approx(found[0].seconds)


def test_a_latency_out_of_reach_is_refused_with_the_range(table: ElasticTable) -> None:
    with pytest.raises(UsageError, match=r"expected a latency from .* to .* ms, the sub-networks of space ofa-tiny"):
        evolve(table, lambda features: features.sum(axis=1), table.min() / 2, 0, PLAN)


def test_random_ones_of_a_latency_are_drawn_uniformly_and_searched_for_where_few_are_drawn(
    table: ElasticTable,
) -> None:
    arrays, generator = table.arrays, np.random.default_rng(7)
    latency = float(np.median(table.lookup(arrays.draw(1000, generator))))
    found = draw_at(table, latency, 200, 0, 0.9)
    assert len({one.architecture for one in found}) == 200
    assert all(0.9 * latency <= one.seconds <= latency for one in found)
    assert all(table.total(one.architecture) == pytest.approx(one.seconds) for one in found[:5])
    drawn = arrays.draw(20_000, generator)
    inside = drawn[(table.lookup(drawn) >= 0.9 * latency) & (table.lookup(drawn) <= latency)]
    rows = np.array([one.architecture for one in found])
    expected, own = (arrays.option(one, "resolution").mean() for one in (inside, rows))
    assert own == pytest.approx(expected, abs=0.15)
    smallest = draw_at(table, table.min(), 3, 0, 0.98)
    assert smallest[0].architecture == table.space.smallest
    with pytest.raises(UsageError, match="expected a latency from"):
        draw_at(table, table.min() / 2, 3, 0, 0.98)


@pytest.mark.skipif(not DATA.is_dir(), reason="Once-for-all's predictor and table are not there")
def test_the_published_predictor_and_table_give_more_than_their_notebook_found() -> None:
    assert ofa_25ms(DATA, seeds=2)["accuracy"] >= 81.71


@pytest.mark.skipif(not DATA.is_dir(), reason="Once-for-all's predictor and table are not there")
def test_the_notebooks_network_has_its_printed_accuracy_and_latency() -> None:
    space = ofa_space()
    table, architecture = published_table(space, DATA), space.architecture(NOTEBOOK)
    accuracy = published_predictor(space, DATA)(table.arrays.features(np.array([architecture])))
    assert accuracy == pytest.approx([0.8171], abs=5e-5)
    assert 1e3 * table.total(architecture) == pytest.approx(24.73, abs=5e-3)
