"""Every space that latkit has, a chain whose architectures share networks, and a space that is no chain."""

from __future__ import annotations

import itertools
import random

import pytest

from latkit import spaces
from latkit.errors import BadFile, UsageError
from latkit.evaluation.validation import fit_networks
from latkit.latency_models.transfer.model import _candidates
from latkit.ops import make_op
from latkit.search.supernet.supernet import Supernet
from latkit.spaces import ChainSpace, Layer, Space, variations
from latkit.spaces.cells.darts_cell import DartsSpace
from latkit.spaces.pool import PoolSpace
from latkit.spaces.registry import SPACE_FORMATS
from latkit.tables import PeakTable, macs_table
from tests.spaces.conformance import SpaceConformance
from tests.spaces.staircase import Staircase

SHAPE = (8, 4, 4)
THREE, FIVE = (make_op("mbconv", SHAPE, out_channels=8, kernel=kernel) for kernel in (3, 5))
SKIP = make_op("skip", SHAPE)


class TestProxylessMobile(SpaceConformance):
    @pytest.fixture
    def space(self) -> Space:
        return spaces.load("proxyless-mobile", resolution=32, classes=10)


class TestProxylessTiny(SpaceConformance):
    @pytest.fixture
    def space(self) -> Space:
        return spaces.load("proxyless-tiny", resolution=16)


class TestMnasNet(SpaceConformance):
    @pytest.fixture
    def space(self) -> Space:
        return spaces.load("mnasnet", resolution=32, classes=10)


class TestNasBenchMacro(SpaceConformance):
    @pytest.fixture
    def space(self) -> Space:
        return spaces.load("nasbench-macro", resolution=8, width=0.25)


class TestDarts(SpaceConformance):
    @pytest.fixture
    def space(self) -> Space:
        return spaces.load("darts", resolution=8, stem_channels=2, cells=3)

    def test_nodes_in_another_order_are_the_same_network(self, space: Space) -> None:
        assert isinstance(space, DartsSpace)
        first, last = [(0, 3), (1, 4)], [(0, 0), (1, 1)]
        others = [(2, 6), (3, 5), (0, 2), (3, 2)]
        swapped = [(2, 5), (3, 6), (0, 2), (2, 2)]
        one, other = (
            space.encode([[*a, *b, *rest]] * 2) for a, b, rest in ((first, last, others), (last, first, swapped))
        )
        assert one == other
        with pytest.raises(UsageError, match="expected two nodes before node 1 as its inputs, but found 1 and 2"):
            space.encode([[(1, 0), (2, 0), *first, *others]] * 2)


class TestChainOfEqualLayers(SpaceConformance):
    @pytest.fixture
    def space(self) -> Space:
        first = Layer("first", (THREE, FIVE))
        return ChainSpace("equal", (first, *(Layer(f"layer{number}", (THREE, SKIP, FIVE)) for number in range(3))))

    def test_skips_trade_places(self, space: Space) -> None:
        """Every network of up to four blocks has one form: 2 x (27 architectures give 15 networks)."""
        every = itertools.product(range(2), *[range(3)] * 3)
        assert len({space.canonical(one) for one in every}) == 2 * (1 + 2 + 4 + 8)


class TestPool(SpaceConformance):
    @pytest.fixture
    def space(self) -> Space:
        full = spaces.load("nasbench-macro", resolution=8, width=0.25)
        rng = random.Random(1)
        return PoolSpace("pool", full, [full.sample(rng) for _ in range(300)])

    def test_neighbors_are_valid_and_differ_in_one_choice(self, space: Space) -> None:
        """They are the nearest members."""
        neighbors = list(space.neighbors(space.sample(random.Random(2))))
        assert len(set(neighbors)) == len(neighbors) == 20
        assert all(space.check(one) == one for one in neighbors)

    def test_every_option_is_drawn_about_as_often_as_the_others(self, space: Space) -> None:
        """Every member is."""
        assert isinstance(space, PoolSpace)
        assert {space.sample(random.Random(seed)) for seed in range(5000)} == set(space.members)


class TestStaircase(SpaceConformance):
    @pytest.fixture
    def space(self) -> Space:
        if "staircase" not in SPACE_FORMATS:
            SPACE_FORMATS.register("staircase", Staircase)
        return Staircase()

    def test_inactive_choices_are_0_in_the_canonical_form(self, space: Space) -> None:
        assert space.canonical((0, 1, 1, 1)) == (0, 1, 1, 0)
        assert space.canonical((2, 0, 0, 1)) == (2, 0, 0, 1)
        assert space.features((0, 1, 1, 1)) == (1, 0, 0, 0, 1, 0, 0)

    def test_a_tied_choice_moves_along(self, space: Space) -> None:
        assert set(space.neighbors((1, 0, 0, 1))) == {(0, 0, 0, 1), (2, 0, 0, 1), (1, 1, 1, 1)}
        with pytest.raises(UsageError, match=r"expected option 1 as in choice block1.kernel, which it is tied to"):
            space.check((0, 1, 0, 0))

    def test_combinations_that_are_refused_are_neither_drawn_nor_neighbors(self, space: Space) -> None:
        assert set(space.neighbors((2, 0, 0, 1))) == {(0, 0, 0, 1), (1, 0, 0, 1), (2, 0, 0, 0)}

    def test_networks_are_drawn_and_varied_by_the_protocol_alone(self, space: Space) -> None:
        networks = fit_networks(space, 20)
        assert len({network.key for network in networks}) == len(networks) == 7
        assert {network.key for network in _candidates(space)} == {network.key for network in networks}
        varied = list(itertools.islice(variations(space), 30))
        assert len(set(varied)) == 30
        assert not set(varied) & set(space.ops())

    def test_code_that_needs_layers_says_so(self, space: Space) -> None:
        for use in (macs_table, PeakTable, Supernet):
            with pytest.raises(UsageError, match="expected a space that is a chain of layers, but found space stairc"):
                use(space)


def test_a_saved_space_of_an_unknown_format_lists_the_known_ones(tmp_path) -> None:
    path = tmp_path / "space.json"
    for text in ("{}", "[]", '{"format": "latkit-space-9"}', '{"format": {}}'):
        path.write_text(text)
        with pytest.raises(
            BadFile, match=r"expected a search space of one of the formats .*latkit-space-1.*, but found"
        ):
            spaces.load_saved(path)


def test_an_unknown_space_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown space 'nowhere'; known spaces: .*proxyless-mobile, proxyless-tiny"):
        spaces.load("nowhere")
    for name in ("proxyless-mobile", "nasbench201"):  # whose images are colored
        with pytest.raises(UsageError, match=rf"space {name}: expected the parameters .*, but found channels"):
            spaces.load(name, channels=1)
