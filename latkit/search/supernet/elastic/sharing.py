"""Modules that run with parts of larger weights, in the same memory: nothing is copied for a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from latkit.search.supernet.elastic.slicing import KernelTransforms, leading


@dataclass(frozen=True, slots=True)
class _Mapped:
    """A weight whose kernel is made of a larger one in every run."""

    owner: nn.Module
    leaf: str
    name: str
    """Of its transforms."""
    part: nn.Parameter
    kernel: int


class SharedModule:
    """A module whose parameters are the leading parts of weights, as views of them.

    Gradients are added to those of the weights during the backward pass. When the weights' memory changes, as on a move
    to another device, it has to be built anew.
    """

    def __init__(
        self, module: nn.Module, weights: Mapping[str, nn.Parameter], transforms: KernelTransforms, prefix: str = ""
    ) -> None:
        """`module`: of the part's shapes, without memory; `weights`: by the names of its parameters; `prefix`: of
        these names among the transforms."""
        self.module, self.transforms = module, transforms
        self._mapped: list[_Mapped] = []
        for name, parameter in list(module.named_parameters(remove_duplicate=False)):
            weight, (path, _, leaf) = weights[name], name.rpartition(".")
            owner, shape = module.get_submodule(path), tuple(parameter.shape)
            part = weight if weight.shape == shape else _part(weight, shape)
            if part.shape == shape:
                setattr(owner, leaf, part)
            else:
                delattr(owner, leaf)
                self._mapped.append(_Mapped(owner, leaf, f"{prefix}{name}", part, shape[-1]))

    def __call__(self, features: Tensor) -> Tensor:
        """The module's output."""
        for one in self._mapped:
            setattr(one.owner, one.leaf, self.transforms(one.name, one.part, one.kernel))
        out: Tensor = self.module(features)
        for one in self._mapped:
            setattr(one.owner, one.leaf, None)  # the graph holds it as long as it is needed
        return out


def _part(weight: nn.Parameter, shape: tuple[int, ...]) -> nn.Parameter:
    """The leading channels of a weight as a leaf of its own, whose gradients go to the weight."""
    part = nn.Parameter(leading(weight.detach(), shape), weight.requires_grad)
    if weight.requires_grad:
        part.register_post_accumulate_grad_hook(partial(_hand_over, weight))  # type: ignore[no-untyped-call]
    return part


def _hand_over(weight: nn.Parameter, part: Tensor) -> None:
    """Add a part's gradient to the weight's, zero elsewhere."""
    assert part.grad is not None
    if weight.grad is None:
        weight.grad = torch.zeros_like(weight)
    leading(weight.grad, part.shape).add_(part.grad)
    part.grad = None
