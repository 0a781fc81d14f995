"""A search by gradient that starts from elastic weights: every path equals the elastic network's."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from torch import nn

from latkit.errors import UsageError
from latkit.search import Problem, run_search
from latkit.search.data import DataSplit
from latkit.search.records.base import load_record
from latkit.search.records.result import FILES, Recipe
from latkit.search.supernet.chain_net import ChainNet
from latkit.search.supernet.elastic.inheritance import SupernetStart
from latkit.search.supernet.elastic.space_net import ElasticSupernet
from latkit.search.supernet.supernet import Paths, Supernet
from latkit.spaces import Subnet, load
from latkit.spaces.elastic import BlockSetting, ElasticSpace, Fixed, Head, Stage
from latkit.spaces.elastic.chain import chain_of
from tests.search.conftest import Tables, brief, middle_s

STAGES = (Stage(8, 1, (1, 2), (3, 5), (2, 3)), Stage(16, 2, (1, 2), (3, 5), (2, 3), squeeze_excite=True))
SPACE = ElasticSpace("mini", (6, 8), Fixed(8, 2), STAGES, Head(16), widths=(0.5, 1.0), channels=1, classes=2)


@pytest.fixture
def start() -> SupernetStart:
    torch.manual_seed(0)
    net = ElasticSupernet(SPACE)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
    return SupernetStart(net, "0" * 64)


def test_every_path_of_the_chain_has_the_weights_of_its_sub_network(start: SupernetStart) -> None:
    chain = chain_of(SPACE, 6, 0.5)
    supernet = Supernet(chain)
    start.load_into(supernet, chain)
    images, rng = torch.randn(4, 1, 6, 6), random.Random(0)
    for _ in range(8):
        found = [rng.randrange(len(layer.candidates)) for layer in chain.choice_layers]
        blocks: list[list[BlockSetting]] = [[], []]
        for layer, index in zip(chain.choice_layers, found, strict=True):
            op = layer.candidates[index]
            if not op.is_identity:
                setting = BlockSetting(op.integer("kernel"), op.integer("expansion"))
                blocks[int(layer.name[5]) - 1].append(setting)
        architecture = SPACE.architecture(Subnet(6, 0.5, tuple(map(tuple, blocks))))
        torch.testing.assert_close(supernet(images, Paths.single(found)), start.net(images, architecture))


def test_a_chain_starts_from_its_own_supernet() -> None:
    space = load("proxyless-tiny", resolution=8, classes=2, channels=1)
    net, supernet = ChainNet(space), Supernet(space)
    SupernetStart(net, "1" * 64).load_into(supernet, space)
    assert all(torch.equal(one, other) for one, other in zip(net.parameters(), supernet.parameters(), strict=True))


def test_a_search_begins_with_them_and_its_recipe_says_so(
    start: SupernetStart, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    chain = chain_of(SPACE)
    table, settings = table_of(chain), brief(warmup_epochs=0)
    problem = Problem(chain, table, stripes_data, middle_s(table), settings, start=start)
    run_search(problem, tmp_path / "started")
    assert load_record(Recipe, tmp_path / "started" / FILES["recipe"]).started_from == "0" * 64
    with pytest.raises(UsageError, match=r"expected started_from to be '0+' as in the search to be resumed"):
        run_search(Problem(chain, table, stripes_data, middle_s(table), settings), tmp_path / "started", resume=True)
    other = load("proxyless-tiny", resolution=8, classes=2, channels=1)
    with pytest.raises(UsageError, match="expected the space of the supernet, mini at one resolution and width"):
        start.chain(other)
    with pytest.raises(UsageError, match=r"expected a resolution of 6, 8 and a width of 0\.5, 1, but found 7 and 1"):
        chain_of(SPACE, 7)
