from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from latkit.nn import ConvBatchNorm
from latkit.search.supernet.blocks import batch_norms, gated, recomputed, save_clipped, statistics_frozen


def block(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(ConvBatchNorm(3, 6, 3, activation="relu6"), ConvBatchNorm(6, 3, 1))


def features() -> torch.Tensor:
    return torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))


def saved_bytes(module: nn.Module) -> int:
    """Bytes saved for the backward pass, which then runs."""
    found: dict[int, torch.Tensor] = {}
    with torch.autograd.graph.saved_tensors_hooks(lambda one: found.setdefault(one.data_ptr(), one), lambda one: one):
        out = module(4 * features())  # with inputs at both bounds
    out.square().sum().backward()
    return sum(one.nbytes for one in found.values())


def test_frozen_statistics_do_not_move_and_a_batch_is_normalized_by_its_own() -> None:
    frozen, moving = block(), block()
    before = copy.deepcopy(frozen.state_dict())
    with statistics_frozen(batch_norms(frozen)), statistics_frozen(batch_norms(frozen)[:1]):
        out = frozen(features())
    assert torch.equal(out, moving(features()))
    assert all(torch.equal(value, before[name]) for name, value in frozen.state_dict().items())
    frozen(features())
    assert all(torch.equal(value, moving.state_dict()[name]) for name, value in frozen.state_dict().items())


def test_a_recomputed_block_gives_the_same_gradients_and_statistics() -> None:
    plain, again = block(), block()
    for module, out in ((plain, plain(features())), (again, recomputed(again, features()))):
        out.square().sum().backward()
        assert all(parameter.grad is not None for parameter in module.parameters())
    for one, other in zip(plain.parameters(), again.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)  # type: ignore[arg-type]
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in again.state_dict().items())


def test_a_clipped_block_saves_less_and_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latkit.search.supernet.blocks.CLIPPED_ELEMENTS", 4 * 6 * 6 * 6)
    plain, clipped = block(), block()
    save_clipped(clipped)
    assert saved_bytes(plain) - saved_bytes(clipped) == 4 * 6 * 6 * 6 * 4
    assert torch.equal(plain(4 * features()), clipped(4 * features()))
    for one, other in zip(plain.parameters(), clipped.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)  # type: ignore[arg-type]
    assert all(torch.equal(value, clipped.state_dict()[name]) for name, value in plain.state_dict().items())


def test_gates_have_the_gradients_of_the_sum_that_they_stand_for() -> None:
    candidates = [block(seed) for seed in range(3)]
    gates = torch.tensor([1.0, 0.0, 0.0, 0.0], requires_grad=True)  # the last slot is unused
    image = features().requires_grad_()

    out = gated(gates, image, candidates[0](image), candidates[1:])
    assert torch.equal(out, candidates[0](image))
    found = torch.autograd.grad(out.sin().sum(), (gates, image))
    mixed = sum(gate * candidate(image) for gate, candidate in zip(gates, candidates, strict=False))
    expected = torch.autograd.grad(mixed.sin().sum(), (gates, image))
    torch.testing.assert_close(found, expected)


def test_gates_have_gradients_in_lower_precision_too() -> None:
    candidates = [block(seed) for seed in range(2)]
    gates = torch.tensor([1.0, 0.0], requires_grad=True)
    image = features()
    with torch.autocast("cpu", torch.bfloat16):
        loss = gated(gates, image, candidates[0](image), candidates[1:]).float().sin().sum()
    (found,) = torch.autograd.grad(loss, gates)  # outside, where the backward pass must find its own way back
    (expected,) = torch.autograd.grad(
        sum(gate * candidate(image) for gate, candidate in zip(gates, candidates, strict=True)).sin().sum(), gates
    )
    torch.testing.assert_close(found, expected, rtol=0.1, atol=1.0)
    assert found.dtype == torch.float32
