"""Modules that round as their precision does, without a change of their state."""

from __future__ import annotations

import copy

import pytest
import torch

from latkit.errors import UsageError
from latkit.nn import build_module
from latkit.ops import Network, make_op
from latkit.search.supernet.low_precision import computed_in, network_computed_in, without_rounding

CONV = make_op("conv", (3, 6, 6), out_channels=8)
NETWORK = Network((CONV.in_precision("int8"), make_op("pool", (8, 6, 6)), make_op("linear", (8,), out_features=4)))


def test_an_op_rounds_as_its_precision_does_and_lets_gradients_through() -> None:
    torch.manual_seed(0)
    plain = build_module(CONV).eval()
    rounded = computed_in(copy.deepcopy(plain), "int8")
    images = torch.randn(2, 3, 6, 6)
    difference = (rounded(images) - plain(images)).abs().max()
    assert 0 < difference < 0.1
    assert rounded.state_dict().keys() == plain.state_dict().keys()
    rounded(images).sum().backward()
    assert all(one.grad is not None and one.grad.abs().sum() > 0 for one in rounded.parameters() if one.dim() == 4)
    torch.testing.assert_close(computed_in(copy.deepcopy(plain), "fp32")(images), plain(images))
    with pytest.raises(UsageError, match=r"expected a precision to train in among fp32, .*, but found int4"):
        computed_in(plain, "int4")


def test_only_the_ops_of_that_precision_round_and_an_export_gets_floats() -> None:
    plain = build_module(NETWORK).eval()
    mixed = network_computed_in(copy.deepcopy(plain), NETWORK)
    images = torch.randn(2, 3, 6, 6)
    first, *_, last = mixed.children()
    assert type(last) is torch.nn.Linear
    assert type(next(first.children())) is not torch.nn.Conv2d
    assert not torch.equal(mixed(images), plain(images))
    torch.testing.assert_close(without_rounding(mixed)(images), plain(images), rtol=0, atol=0)
