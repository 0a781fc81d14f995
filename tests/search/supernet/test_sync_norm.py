"""In one process, it is an ordinary batch norm; with several, see test_scale_out.py."""

from __future__ import annotations

import copy

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from latkit.nn import ConvBatchNorm
from latkit.search.supernet.sync_norm import SyncBatchNorm2d, synchronize

FABRIC = Fabric(accelerator="cpu", devices=1)


def pair(momentum: float | None = 0.1) -> tuple[nn.BatchNorm2d, SyncBatchNorm2d]:
    norm = nn.BatchNorm2d(5, momentum=momentum)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for values in norm.parameters():
            values.copy_(torch.randn(5, generator=generator))
    return norm, SyncBatchNorm2d.of(copy.deepcopy(norm), FABRIC)


def images(seed: int = 0) -> torch.Tensor:
    """Far from zero, where a variance from sums of squares would lose its digits."""
    return torch.randn(8, 5, 4, 4, generator=torch.Generator().manual_seed(seed)) * 3 + 100


@pytest.mark.parametrize("momentum", [0.1, None])
def test_outputs_gradients_and_statistics_are_those_of_batch_norm(momentum: float | None) -> None:
    ordinary, synchronized = pair(momentum)
    weights = torch.randn(8, 5, 4, 4, generator=torch.Generator().manual_seed(9))
    for seed in range(3):
        found = []
        for norm in (ordinary, synchronized):
            given = images(seed).requires_grad_()
            norm.zero_grad()
            out = norm(given)
            (out * weights).square().sum().backward()
            found.append([out, given.grad, norm.weight.grad, norm.bias.grad])
        for one, other in zip(*found, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
    for name, value in ordinary.state_dict().items():
        torch.testing.assert_close(value, synchronized.state_dict()[name])
    given = images(7)
    torch.testing.assert_close(ordinary.eval()(given), synchronized.eval()(given))


def test_statistics_are_frozen_where_requested() -> None:
    _, norm = pair()
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    norm.track_running_stats = False
    norm(images())
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())


def test_every_batch_norm_inside_is_replaced_and_keeps_its_values() -> None:
    module = nn.Sequential(ConvBatchNorm(3, 4, 3), nn.Sequential(ConvBatchNorm(4, 2, 1)))
    before = dict(module.named_parameters())
    synchronize(module, FABRIC)
    assert sum(isinstance(part, SyncBatchNorm2d) for part in module.modules()) == 2
    after = dict(module.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)
    other = copy.deepcopy(module)
    norms = [part for part in other.modules() if isinstance(part, SyncBatchNorm2d)]
    assert all(norm.fabric is FABRIC for norm in norms)
    assert norms[0].weight is not dict(module.named_modules())["0.1"].weight
