"""Kinds of which few kernels were measured."""

import numpy as np
import pytest

from latkit.graphs import GraphBuilder, partition_graph
from latkit.latency_models.kernels.features import KernelSpec, kernel_specs, roofline
from latkit.latency_models.kernels.regression import best_rates, fit_anchors, fit_few, predict_kernels
from latkit.latency_models.trees.residual_trees import MIN_OPS_TO_FIT


def product(rows: int, inner: int, columns: int) -> KernelSpec:
    b = GraphBuilder()
    graph = b.graph([b.matmul(b.input(rows, inner), b.input(inner, columns))])
    (spec,) = kernel_specs(partition_graph(graph, ()))
    return spec


def convolution(channels: int, size: int = 8) -> KernelSpec:
    b = GraphBuilder()
    (spec,) = kernel_specs(partition_graph(b.graph([b.conv(b.input(1, channels, size, size), channels)]), ()))
    return spec


def seconds(spec: KernelSpec) -> float:
    """A made-up law: a run, MACs, and elements moved."""
    terms = roofline(spec)
    return float(2e-6 + 1e-10 * terms[1] + 3e-10 * terms[2:5].sum())


SMALL = [product(1, 8, 8), product(4, 16, 8), product(2, 8, 32)]
LARGE = product(64, 512, 512)
CONVOLUTIONS = [convolution(channels) for channels in range(8, 8 * MIN_OPS_TO_FIT + 1, 8)]


def test_three_kernels_determine_the_law_of_a_kind() -> None:
    models, _ = fit_anchors(SMALL, [seconds(spec) for spec in SMALL])
    (predicted,) = predict_kernels(models, [LARGE])
    assert predicted == pytest.approx(seconds(LARGE), rel=0.01)


def test_one_small_kernel_predicts_no_latency_that_the_target_cannot_reach() -> None:
    """Its own coefficients may explain it by the cost of a run alone; other kinds show what a MAC takes at least."""
    specs = [*CONVOLUTIONS, SMALL[0]]
    models, _ = fit_anchors(specs, [seconds(spec) for spec in specs])
    (predicted,) = predict_kernels(models, [LARGE])
    fastest = min(seconds(spec) / spec.macs for spec in specs if seconds(spec) > 2e-5)
    assert predicted >= fastest * LARGE.macs > 10 * float(roofline(LARGE) @ models[SMALL[0].anchor].baseline)
    assert models["conv"].trees is not None
    assert not models["conv"].bound.any(), "trees know their own kind"


def test_the_best_rates_are_of_macs_and_outputs_only() -> None:
    terms = np.array([[1, 10, 5, 2, 7, 1, 1], [1, 0, 9, 4, 0, 2, 0], [1, 50, 9, 4, 0, 2, 0]], dtype=float)
    assert best_rates(terms, np.array([2e-5, 1e-5, 1e-6])) == pytest.approx([0, 2e-6, 0, 2.5e-6, 0, 0, 0])
    assert best_rates(terms, np.array([2e-6, 1e-6, 1e-6])).tolist() == [0] * 7, "all are short"


def test_a_fit_of_few_kernels_has_three_terms() -> None:
    terms = np.array([roofline(spec) for spec in SMALL])
    found = fit_few(terms, np.array([seconds(spec) for spec in SMALL]))
    assert found == pytest.approx([2e-6, 1e-10, 3e-10, 3e-10, 3e-10, 0, 0, 0, 0], rel=1e-3)
