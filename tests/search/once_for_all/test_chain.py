"""A chain's supernet: trained by uniform paths, and judged by its shared weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from latkit.errors import UsageError
from latkit.search import load_data
from latkit.search.evaluators.shared_weights import SharedWeightsEvaluator
from latkit.search.goals import Goals
from latkit.search.loop import Budget, search
from latkit.search.once_for_all.settings import SupernetSettings
from latkit.search.once_for_all.training.nets import as_elastic, build_net
from latkit.search.once_for_all.training.problem import SupernetProblem
from latkit.search.once_for_all.training.run import train_supernet
from latkit.search.strategies import make_strategy
from latkit.search.supernet.chain_net import ChainNet
from latkit.spaces import Space
from latkit.spaces.builtin.nasbench201 import nasbench201
from tests.search.conftest import save_stripes

SETTINGS = SupernetSettings.quick(epochs=2, batch_size=16, crop_padding=1, random_subnets=1, calibration_images=32)


def test_a_chain_is_trained_and_judged_by_its_shared_weights(mini_space: Space, tmp_path: Path) -> None:
    save_stripes(tmp_path / "stripes.npz")
    problem = SupernetProblem(mini_space, load_data(str(tmp_path / "stripes.npz"), 8, 1), SETTINGS, "uniform")
    with pytest.raises(UsageError, match="curriculum sandwich: expected an elastic space"):
        train_supernet(replace(problem, curriculum_name="sandwich"), tmp_path / "other")
    result = train_supernet(problem, tmp_path / "supernet")
    assert result.largest.architecture != result.smallest.architecture
    evaluator = SharedWeightsEvaluator(tmp_path / "supernet")
    outcome = search(make_strategy("evolution", mini_space, Goals.parse("accuracy:max")), evaluator, Budget(3))
    assert len(outcome.entries) == 3
    assert not outcome.failures
    (again,) = evaluator.judge([result.largest.architecture])
    assert again.quantities == {"accuracy": pytest.approx(result.largest.validation)}
    with pytest.raises(UsageError, match="specialize: expected a supernet of an elastic space"):
        as_elastic(evaluator.space, "specialize")


def test_a_path_of_the_supernet_computes_what_its_sub_network_does(mini_space: Space) -> None:
    torch.manual_seed(0)
    net, images = ChainNet(mini_space).train(), torch.randn(8, *mini_space.input_shape)
    for architecture in (net.smallest, net.largest):
        torch.testing.assert_close(net(images, architecture), net.subnet(architecture).train()(images))


def test_a_space_that_is_neither_elastic_nor_a_chain_is_refused() -> None:
    with pytest.raises(UsageError, match="found space nasbench201, which is neither"):
        build_net(nasbench201())
