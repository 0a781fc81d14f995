"""Parts of weights: leading channels, and small kernels that are learned from the center of large ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of a module's parameters by name."""


class KernelTransforms(nn.Module):
    """Matrices that turn the center of a kernel into the next smaller kernel, 7 > 5 > 3.

    Cai et al. 2020, section 3.2: every weight has its own matrices of shape (k^2, k^2), which all its channels share.
    They begin as identities: a small kernel is then the center of the large one.
    """

    def __init__(self, sizes: Mapping[str, Iterable[int]]) -> None:
        """`sizes`: the kernels that each weight has in some sub-network, by the weight's name."""
        super().__init__()
        self.sizes = {name: tuple(sorted(set(kernels), reverse=True)) for name, kernels in sizes.items()}
        self.matrices = nn.ParameterDict(
            {
                _key(name, kernel): nn.Parameter(torch.eye(kernel**2))
                for name, kernels in self.sizes.items()
                for kernel in kernels[1:]
            }
        )

    def forward(self, name: str, weight: Tensor, kernel: int) -> Tensor:
        """The kernel of a size, (O, I, k, k), of a larger one, (O, I, K, K); in the weight's own precision."""
        if torch.is_autocast_enabled(weight.device.type):
            with torch.autocast(weight.device.type, enabled=False):
                return self.forward(name, weight, kernel)
        for size in self.sizes[name]:
            if kernel <= size < weight.shape[-1]:
                margin = (weight.shape[-1] - size) // 2
                center = weight[..., margin : margin + size, margin : margin + size]
                mapped = F.linear(center.flatten(2), self.matrices[_key(name, size)])
                weight = mapped.view(*weight.shape[:2], size, size)
        return weight


def sliced(name: str, weight: Tensor, shape: tuple[int, ...], transforms: KernelTransforms) -> Tensor:
    """The part of a parameter that a sub-network takes: its leading channels, and its kernel. Differentiable.

    `name`: the parameter's, for its transforms; `shape`: the part's.
    """
    if weight.shape == shape:
        return weight
    weight = leading(weight, shape)
    return weight if weight.shape == shape else transforms(name, weight, shape[-1])


def leading(weight: Tensor, shape: Sequence[int]) -> Tensor:
    """A view of the leading channels, as many as a shape has; kernels stay."""
    for dim in range(min(weight.ndim, 2)):
        if weight.shape[dim] != shape[dim]:
            weight = weight.narrow(dim, 0, shape[dim])
    return weight


def kernel_sizes(shapes: Sequence[Shapes]) -> dict[str, set[int]]:
    """The kernels of each parameter that has several in sub-networks of these shapes."""
    found: dict[str, set[int]] = {}
    for one in shapes:
        for name, shape in one.items():
            if len(shape) == 4:
                found.setdefault(name, set()).add(shape[-1])
    return {name: sizes for name, sizes in found.items() if len(sizes) > 1}


def _key(name: str, kernel: int) -> str:
    return f"{name.replace('.', '-')}-{kernel}"
