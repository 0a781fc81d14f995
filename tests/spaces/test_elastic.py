"""Elastic spaces: the protocol, activity of blocks, nothing measured twice, and what users write as TOML."""

from __future__ import annotations

import random

import pytest

from latkit import spaces
from latkit.errors import BadFile, UsageError
from latkit.ops import Network, make_op
from latkit.spaces import ElasticSpace, Space
from latkit.spaces.elastic import BlockSetting, Fixed, Head, Stage, Subnet
from tests.spaces.conformance import SpaceConformance, drawn

TOML = """
name = "mine"
resolutions = [8, 12]
widths = [0.5, 1.0]
classes = 5
stem = { channels = 16, activation = "hswish" }
head = { features = 32, hidden = 24, activation = "hswish" }
[[stages]]
channels = 16
depths = [1, 2]
kernels = [3, 5]
expansions = [2, 3]
[[stages]]
channels = 24
stride = 2
depths = [1, 3]
kernels = [3]
squeeze_excite = true
"""


class ElasticConformance(SpaceConformance):
    def test_networks_have_the_shapes_of_the_space_and_ops_that_it_lists(self, space: Space) -> None:
        """The image's size is a choice; the space's shape is the largest."""
        assert isinstance(space, ElasticSpace)
        ops = space.ops()
        assert len(set(ops)) == len(ops)
        sizes = set()
        for architecture in drawn(space):
            network = space.decode(architecture, "named")
            subnet = space.subnet(architecture)
            assert network.input_shape == (space.channels, subnet.resolution, subnet.resolution)
            assert network.output_shape == space.output_shape
            assert set(ops).issuperset(network.ops)
            assert space.encode(network) == space.canonical(space.architecture(subnet)) == space.canonical(architecture)
            sizes.add(network.input_shape)
        assert max(sizes) == space.input_shape
        assert len(sizes) == len(space.resolutions)


class TestOfaMobile(ElasticConformance):
    @pytest.fixture
    def space(self) -> Space:
        return spaces.load("ofa-mobile", resolution=32, classes=10, width=0.5)


class TestOfaProxyless(ElasticConformance):
    @pytest.fixture
    def space(self) -> Space:
        return spaces.load("ofa-proxyless", resolution=32, classes=10, width=0.25)


class TestOfaTiny(ElasticConformance):
    @pytest.fixture
    def space(self) -> Space:
        return spaces.load("ofa-tiny")


class TestFromToml(ElasticConformance):
    @pytest.fixture
    def space(self, tmp_path) -> Space:
        (tmp_path / "mine.toml").write_text(TOML)
        return spaces.load(str(tmp_path / "mine.toml"))


def test_the_published_space_has_the_published_layers() -> None:
    """Channels of the published network of width 1.2, 10^19 sub-networks for each of 25 resolutions, and one op for
    each of the Note 10 table's keys."""
    space = spaces.load("ofa-mobile", width=1.2)
    assert isinstance(space, ElasticSpace)
    largest = space.decode(space.largest)
    assert [op.output_shape[0] for op in largest.ops if op.kind.startswith("mbconv")][1::4] == [32, 48, 96, 136, 192]
    assert [op.output_shape for op in largest.ops[-5:]] == [(1152, 7, 7), (1152,), (1536,), (1536,), (1000,)]
    assert space.size / len(space.resolutions) > 2e19
    assert len(space.layers(224, 1.2).stages) == 5
    of_one = {op for op in space.ops() if op in set(space.layers(224, 1.2).ops())}
    assert len(of_one) == 96 + 1  # the activation of the layer before the classifier has no key of its own


def test_a_block_beyond_the_depth_has_no_effect() -> None:
    space = spaces.load("ofa-tiny")
    assert isinstance(space, ElasticSpace)
    at = space.positions["stage1.block3.kernel"]
    deep = space.largest
    shallow = [0 if one == space.positions["stage1.depth"] else index for one, index in enumerate(deep)]
    assert not space.active(shallow)[at]
    assert space.canonical(shallow)[at] == 0
    assert space.decode(deep) != space.decode(shallow)


def test_a_sub_network_in_plain_values_comes_back() -> None:
    space = spaces.load("ofa-tiny")
    assert isinstance(space, ElasticSpace)
    subnet = Subnet(12, 1.0, ((BlockSetting(5, 4),), (BlockSetting(3, 3), BlockSetting(7, 6)), (BlockSetting(3, 6),)))
    assert space.subnet(space.architecture(subnet)) == subnet
    assert subnet.depths == (1, 2, 1)
    with pytest.raises(UsageError, match="choice resolution: expected one of 12, 16, found 14"):
        space.architecture(Subnet(14, 1.0, subnet.stages))


def test_other_networks_are_not_of_the_space() -> None:
    space = spaces.load("ofa-tiny")
    assert isinstance(space, ElasticSpace)
    ops = space.decode(space.sample(random.Random(0))).ops
    assert not space.holds(Network(ops[:-1]))
    assert not space.holds(Network((*ops[:-1], make_op("linear", (320,), out_features=11))))
    with pytest.raises(UsageError, match="is not a network of space ofa-tiny"):
        space.encode(Network(ops[2:]))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("resolutions = [8, 12]", "resolutions = [12, 8]", "expected resolutions as 1 to 64 rising numbers"),
        ("depths = [1, 2]", "depths = [0, 2]", "expected depths as 1 to 64 rising numbers from 1"),
        ("kernels = [3, 5]", "kernels = [3, 4]", "expected an odd kernel, but found 4"),
        ('activation = "hswish"', 'activation = "gelu"', "expected an activation of none, relu"),
        ("channels = 24", 'channels = "24"', "stages.1.channels"),
        ("stride = 2", "stride = 3", "expected a stride of 1 or 2, but found 3"),
        ("classes = 5", "classes = 5\nlayers = 3", "layers"),
    ],
)
def test_a_wrong_file_is_refused_with_the_field(tmp_path, old: str, new: str, message: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(TOML.replace(old, new))
    with pytest.raises(BadFile, match=message):
        spaces.load(str(path))


def test_a_space_without_a_choice_is_refused() -> None:
    with pytest.raises(UsageError, match="expected several options of something"):
        ElasticSpace("one", (8,), Fixed(8), (Stage(8, depths=(1,), kernels=(3,), expansions=(3,)),), Head(8))


def test_a_saved_space_is_loaded_by_its_file(tmp_path) -> None:
    space = spaces.load("ofa-tiny", channels=1)
    space.save(tmp_path / "space.json")
    assert spaces.load(str(tmp_path / "space.json")) == space
    with pytest.raises(UsageError, match="takes no parameters, but found width"):
        spaces.load(str(tmp_path / "space.json"), width=2)
