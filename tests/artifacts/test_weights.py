"""Weights made up from keys: the same each time, and far from trivial values."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from latkit import zoo
from latkit.artifacts.weights import for_inference, seeded_module
from latkit.nn import example_input
from latkit.ops import Network, make_op
from latkit.timing import REFERENCE

CONV, MBCONV, _ = REFERENCE.ops
SKIP = make_op("skip", (16, 32, 32))


def test_equal_workloads_have_equal_weights_and_others_differ() -> None:
    first, again, other = seeded_module(CONV), seeded_module(CONV), seeded_module(Network((CONV,)))
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_global_random_state_is_left_as_it_was() -> None:
    before = torch.get_rng_state()
    seeded_module(REFERENCE)
    assert torch.equal(torch.get_rng_state(), before)


def test_batch_norms_have_statistics_and_everything_is_in_evaluation_mode() -> None:
    module = seeded_module(REFERENCE)
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 4
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.running_mean.std() > 0
        assert norm.running_var.std() > 0
    assert not any(part.training for part in module.modules())


@pytest.mark.parametrize("name", ["proxyless-mobile", "mobilenetv2-1.0"])
def test_activations_of_a_deep_network_neither_underflow_nor_overflow(name: str) -> None:
    network = zoo.load(name)
    with torch.inference_mode():
        output = seeded_module(network)(example_input(network.input_shape))
    assert 1e-3 < output.std() < 1e3


def test_a_copy_for_inference_computes_the_same_without_batch_norms() -> None:
    module = seeded_module(REFERENCE)
    folded = for_inference(module)
    x = example_input(REFERENCE.input_shape, 2)
    torch.testing.assert_close(folded(x), module(x), rtol=1e-4, atol=1e-5)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in module.modules())
