"""NAS-Bench-201: its classes, its strings, and networks that export."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from latkit import spaces
from latkit.errors import UsageError
from latkit.spaces import Space
from latkit.spaces.cells.edge_cell import EDGES, EdgeCellSpace
from tests.spaces.conformance import SpaceConformance, drawn

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
TEXT = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_3x3~0|none~1|skip_connect~2|"


def small() -> EdgeCellSpace:
    return EdgeCellSpace("small", resolution=8, channels=2, cells=2, classes=3)


class TestNasBench201(SpaceConformance):
    @pytest.fixture
    def space(self) -> Space:
        return small()

    def test_the_canonical_form_decodes_to_the_same_network_and_is_its_own(self, space: Space) -> None:
        """To the same expression: the benchmark does not tell one convolution used twice from two convolutions."""
        for architecture in drawn(space):
            canonical = space.canonical(architecture)
            assert space.check(canonical) == canonical == space.canonical(canonical)

    def test_equal_networks_have_one_canonical_form(self, space: Space) -> None:
        """Not where a sum has an edge that carries nothing: the benchmark's classes count it, the network lacks it."""
        with_zero, without = (0, 0, 0, 3, 0, 0), (1, 0, 0, 3, 0, 0)
        assert space.decode(with_zero) == space.decode(without)
        assert space.canonical(with_zero) != space.canonical((0, 1, 0, 3, 0, 2))


def test_there_are_6466_classes() -> None:
    space = small()
    every = list(itertools.product(range(5), repeat=6))
    forms = {space.canonical(one) for one in every}
    assert len(every) == space.size == 15_625
    assert len(forms) == 6466
    assert all(space.canonical(form) == form for form in forms)


def test_the_string_of_the_benchmark_is_read_and_written() -> None:
    space = small()
    assert space.read(TEXT) == (4, 2, 1, 3, 0, 1)
    for architecture in drawn(space):
        assert space.read(space.write(architecture)) == architecture


@pytest.mark.parametrize(
    "text", ["", "|none~0|", TEXT[:-1], TEXT.replace("~2", "~1"), TEXT.replace("none", "non"), "\n"]
)
def test_another_string_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected a cell of NAS-Bench-201 such as"):
        small().read(text)


def test_dead_ops_are_left_out_and_a_dead_cell_gives_zeros() -> None:
    space = small()
    plain = space.decode((1, 0, 0, 3, 0, 0))
    assert space.decode((3, 3, 0, 3, 0, 0)) == plain  # nodes 1 and 2 lead nowhere
    zero = space.decode((3, 3, 3, 0, 0, 0))
    assert [op.kind for op in zero.ops].count("zero") == 6
    identity = space.decode((0, 0, 0, 1, 0, 0))
    assert not any(op.kind == "zero" for op in identity.ops)
    assert len(identity.ops) == 1 + 2 * 6 + 3


def test_features_have_an_entry_per_path() -> None:
    features = small().features((2, 0, 3, 4, 1, 0))
    assert len(features) == 30 + 4 + 16 + 64
    assert sum(features[:30]) == 6
    assert sum(features[30:]) == 2  # pooling, and a convolution with a skip after it


@pytest.mark.parametrize(
    ("parameters", "found"),
    [({"resolution": 30}, "4 divides"), ({"classes": 1}, "classes from 2"), ({"cells": True}, "but found True")],
)
def test_parameters_out_of_range_are_refused(parameters: dict[str, int], found: str) -> None:
    with pytest.raises(UsageError, match=found):
        spaces.load("nasbench201", **parameters)


def _has_dead_ops(architecture: tuple[int, ...]) -> bool:
    reached, reaching = {0}, {3}
    for op, (source, node) in zip(architecture, EDGES, strict=True):
        reached |= {node} if op and source in reached else set()
    for op, (source, node) in reversed(list(zip(architecture, EDGES, strict=True))):
        reaching |= {source} if op and node in reaching else set()
    return any(op and not (s in reached and n in reaching) for op, (s, n) in zip(architecture, EDGES, strict=True))


def test_networks_have_the_macs_of_the_benchmark() -> None:
    if not (DATA / "nasbench201_200epochs.npz").exists():
        pytest.skip(f"needs nasbench201_200epochs.npz, which is not in {DATA}")
    space = spaces.load("nasbench201", classes=100)
    assert isinstance(space, EdgeCellSpace)
    with np.load(DATA / "nasbench201_200epochs.npz") as table:
        rows = list(zip(table["arch"][::31], table["mflops"][::31], strict=True))
    live = [(space.read(str(text)), macs) for text, macs in rows if not _has_dead_ops(space.read(str(text)))]
    equal = [abs(space.decode(one).macs / 1e6 - macs) < 0.01 for one, macs in live]
    assert sum(equal) / len(equal) > 0.97  # the table gives some twins the figures of the other
