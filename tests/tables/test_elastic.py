"""The table of an elastic space: equal to the sum over the network, and its range to every sub-network's."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch

from latkit import spaces
from latkit.errors import UsageError
from latkit.ops import Op
from latkit.spaces import ElasticSpace
from latkit.spaces.elastic import Fixed, Head, Stage
from latkit.spaces.elastic.arrays import ElasticArrays
from latkit.tables import ElasticTable

SMALL = ElasticSpace(
    "small", (8, 12), Fixed(8), (Stage(8, 1, (1, 2), (3, 5), (2,)),), Head(16), widths=(1.0, 2.0), channels=1
)


def cost(_resolution: int, op: Op) -> float:
    """Not a latency: a number that differs from op to op."""
    return 1e-9 * op.macs + 1e-6


def test_arrays_are_the_space_for_many_architectures() -> None:
    space = spaces.load("ofa-tiny")
    assert isinstance(space, ElasticSpace)
    arrays = ElasticArrays(space)
    raw = np.random.default_rng(0).integers(arrays.sizes, size=(50, len(arrays.sizes)))
    assert [tuple(one) for one in arrays.canonical(raw)] == [space.canonical(one) for one in raw]
    assert [tuple(one) for one in arrays.features(raw)] == [space.features(one) for one in raw]


def test_a_total_is_the_sum_over_the_network() -> None:
    table = ElasticTable(SMALL, cost, base_s=1e-3)
    every = [*itertools.product(*(range(len(choice.options)) for choice in SMALL.choices))]
    expected = [1e-3 + sum(cost(0, op) for op in SMALL.decode(one).ops) for one in every]
    assert table.lookup(np.array(every)) == pytest.approx(expected)
    assert table.total(every[5]) == pytest.approx(expected[5])
    assert (table.min(), table.max()) == pytest.approx((min(expected), max(expected)))


def test_it_is_written_with_a_row_for_each_position(tmp_path) -> None:
    table = ElasticTable(SMALL, cost)
    table.save(tmp_path / "table.json")
    document = json.loads((tmp_path / "table.json").read_text())
    assert [(one["resolution"], one["width"]) for one in document["tables"]] == [(8, 1), (8, 2), (12, 1), (12, 2)]
    assert [len(rows) for rows in document["tables"][0]["stages"][0]] == [2, 2]
    with pytest.raises(UsageError, match=r"to end in \.json"):
        table.save(tmp_path / "table.yaml")


def test_the_expectation_is_the_mean_over_all_sub_networks() -> None:
    table = ElasticTable(SMALL, cost, base_s=1e-3)
    generator = np.random.default_rng(0)
    rows = [generator.dirichlet(np.ones(len(choice.options))) for choice in SMALL.choices]
    probabilities = torch.zeros(2, len(rows), max(map(len, rows)))
    for at, row in enumerate(rows):
        probabilities[0, at, : len(row)] = torch.from_numpy(row)
        probabilities[1, at, -1 if len(row) == probabilities.shape[-1] else len(row) - 1] = 1
    every = [*itertools.product(*(range(len(choice.options)) for choice in SMALL.choices))]
    weights = [np.prod([row[option] for row, option in zip(rows, one, strict=True)]) for one in every]
    found = table.expected(probabilities.requires_grad_())
    largest = table.total([len(row) - 1 for row in rows])
    assert found.tolist() == pytest.approx([float(np.dot(weights, table.lookup(np.array(every)))), largest])
    found.sum().backward()
    assert probabilities.grad is not None
    with pytest.raises(UsageError, match="expected probabilities of shape"):
        table.expected(probabilities[:, 1:])


def test_pair_terms_of_neighbors_add_up_over_the_network() -> None:
    def pair(producer: Op, consumer: Op) -> float:
        return 1e-4 * producer.output_shape[-1] + (1e-3 if consumer.definition.is_residual(consumer) else 0)

    table = ElasticTable(SMALL, cost, pair_seconds=pair)
    every = [*itertools.product(*(range(len(choice.options)) for choice in SMALL.choices))]
    networks = [SMALL.decode(one).ops for one in every]
    expected = [
        sum(cost(0, op) for op in ops) + sum(itertools.starmap(pair, itertools.pairwise(ops))) for ops in networks
    ]
    assert table.lookup(np.array(every)) == pytest.approx(expected)
    assert (table.min(), table.max()) == pytest.approx((min(expected), max(expected)))
