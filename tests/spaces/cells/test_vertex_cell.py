"""NAS-Bench-101: its hash, its counts, its networks."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from latkit import spaces
from latkit.errors import UsageError
from latkit.spaces import Space
from latkit.spaces.cells.vertex_cell import VertexCellSpace
from latkit.spaces.cells.vertex_graph import VertexCell, benchmark_hash, canonical_cell, prune
from latkit.spaces.cells.vertex_network import vertex_channels
from tests.spaces.conformance import SpaceConformance, drawn

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
CHAIN = ((0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (0, 0, 0, 0))


def small(vertices: int = 7) -> VertexCellSpace:
    return VertexCellSpace("small", vertices, resolution=8, channels=8, cells=3, classes=3)


class TestNasBench101(SpaceConformance):
    @pytest.fixture
    def space(self) -> Space:
        return small()

    def test_every_option_is_drawn_about_as_often_as_the_others(self, space: Space) -> None:
        """Of valid cells: nine edges are fewer than half of 21."""
        assert {one[at] for one in drawn(space, 200) for at in range(len(one))} == {0, 1, 2}

    def test_neighbors_are_valid_and_differ_in_one_choice(self, space: Space) -> None:
        """Or in a vertex more."""
        assert isinstance(space, VertexCellSpace)
        for architecture in drawn(space, 10):
            neighbors = list(space.neighbors(architecture))
            assert neighbors
            cell = space.cell(architecture)
            for neighbor in neighbors:
                assert space.check(neighbor) == neighbor
                assert space.cell(neighbor) != cell
                moved = sum(a != b for a, b in zip(architecture, neighbor, strict=True))
                assert moved == 1 or space.cell(neighbor).vertices > cell.vertices


@pytest.mark.slow
def test_a_cell_grows_by_neighbors_from_the_smallest() -> None:
    space = small(5)
    found_cells = {space.encode(((0, 1), (0, 0)), ())}
    front = list(found_cells)
    while front:
        reached = {space.canonical(after) for one in front for after in space.neighbors(one)} - found_cells
        found_cells |= reached
        front = list(reached)
    assert len(found_cells) == 2532


@pytest.mark.slow
def test_five_vertices_have_2532_networks() -> None:
    space = small(5)
    every = itertools.product(*(range(len(choice.options)) for choice in space.choices))
    forms = {space.canonical(one) for one in every if space._is_valid(one)}
    assert len(forms) == len({space.hash(form) for form in forms}) == 2532
    assert {space.cell(form).vertices for form in forms} == {2, 3, 4, 5}


def test_isomorphic_cells_have_one_form_and_one_hash() -> None:
    branches = ((0, 1, 1, 0), (0, 0, 0, 1), (0, 0, 0, 1), (0, 0, 0, 0))
    one, other = VertexCell(branches, (0, 2)), VertexCell(branches, (2, 0))
    assert canonical_cell(one) == canonical_cell(other)
    assert benchmark_hash(one) == benchmark_hash(other)
    assert canonical_cell(one) != canonical_cell(VertexCell(branches, (0, 1)))


def test_a_vertex_that_leads_nowhere_is_pruned() -> None:
    matrix = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert prune(matrix, (2, 0)) == (VertexCell(((0, 1, 0), (0, 0, 1), (0, 0, 0)), (2,)), (0, 1, 3))
    matrix[1][3] = 0
    assert prune(matrix, (2, 0)) is None


def test_the_output_shares_its_channels_among_its_vertices() -> None:
    fan = [[0] * 5 for _ in range(5)]
    for vertex in (1, 2, 3):
        fan[0][vertex] = fan[vertex][4] = 1
    assert vertex_channels(VertexCell(tuple(map(tuple, fan)), (0, 0, 0)), 128) == [0, 43, 43, 42, 128]
    assert vertex_channels(VertexCell(CHAIN, (0, 0)), 128) == [0, 128, 128, 128]


@pytest.mark.parametrize(
    ("architecture", "found"),
    [
        ((0,) * 26, "expected a path from the input to the output, but found none"),
        ((1,) * 21 + (0,) * 5, "expected at most 9 edges on paths from input to output, but found 21"),
        ((2,) + (0,) * 25, "choice edge0to1: expected an option from 0 to 1, but found 2"),
    ],
)
def test_what_the_benchmark_does_not_hold_is_refused(architecture: tuple[int, ...], found: str) -> None:
    with pytest.raises(UsageError, match=found):
        small().check(architecture)


def test_a_cell_of_too_many_vertices_is_refused() -> None:
    with pytest.raises(UsageError, match="expected a cell of 2 to 3 vertices"):
        small(3).encode(CHAIN, (0, 0))


@pytest.mark.parametrize(("file", "vertices"), [("ecnas_5v_4epochs.npz", 5), ("nasbench101_sample10000.npz", 7)])
def test_hashes_and_parameters_are_those_of_the_benchmark(file: str, vertices: int) -> None:
    if not (DATA / file).exists():
        pytest.skip(f"needs {file}, which is not in {DATA}")
    space = spaces.load("nasbench101", vertices=vertices)
    assert isinstance(space, VertexCellSpace)
    with np.load(DATA / file) as table:
        columns = [table[name][::25] for name in ("key", "vertices", "adjacency", "ops", "parameters")]
    same: list[bool] = []
    for key, count, matrix, ops, parameters in zip(*columns, strict=True):
        architecture = space.encode(matrix[:count, :count].tolist(), ops.tolist())
        assert space.hash(architecture) == key
        same.append(space.decode(architecture).parameters == parameters)
    assert sum(same) / len(same) > 0.9  # an isomorphic cell may give a channel that is left over to another vertex
