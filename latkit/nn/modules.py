"""Ops and networks as torch modules. To give a new op kind its module, add a builder to `BUILDERS`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latkit.errors import UsageError
from latkit.ops import Network, Op, Shape


class ConvBatchNorm(nn.Sequential):
    """Convolution padded by half its kernel, batch norm, activation: (N, C, H, W) -> (N, out_channels, H', W')."""

    def __init__(
        self, channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1, activation: str = "none"
    ) -> None:
        convolution = nn.Conv2d(channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(out_channels), *_activations(activation))


class MBConv(nn.Module):
    """MobileNetV2's inverted residual: (N, C, H, W) -> (N, out_channels, H', W')."""

    def __init__(self, op: Op) -> None:
        super().__init__()
        channels, expansion = op.input_shape[0], op.integer("expansion")
        hidden, activation = channels * expansion, str(op["activation"])
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        if expansion != 1:
            parts["expand"] = ConvBatchNorm(channels, hidden, 1, activation=activation)
        parts["depthwise"] = ConvBatchNorm(
            hidden, hidden, op.integer("kernel"), op.integer("stride"), groups=hidden, activation=activation
        )
        parts["project"] = ConvBatchNorm(hidden, op.integer("out_channels"), 1)
        self.body = nn.Sequential(parts)
        self.residual = bool(op["residual"])

    def forward(self, images: Tensor) -> Tensor:
        """Body, plus the input where the op has a residual."""
        out: Tensor = self.body(images)
        return images + out if self.residual else out


class GlobalPool(nn.Module):
    """Average or maximum over the image: (N, C, H, W) -> (N, C)."""

    def __init__(self, function: str) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        """Pool over height and width. Written so that no runtime's exporter transposes the image first."""
        pooled = images.amax((2, 3), keepdim=True) if self.function == "max" else F.adaptive_avg_pool2d(images, 1)
        return pooled.flatten(1)


def _activations(name: str) -> list[nn.Module]:
    """The activation of that name as a list of one module, or of none for `none`."""
    makers: dict[str, Callable[[], nn.Module]] = {
        "relu": nn.ReLU,
        "relu6": nn.ReLU6,
        "hswish": nn.Hardswish,
        "sigmoid": nn.Sigmoid,
    }
    return [makers[name]()] if name != "none" else []


def _conv(op: Op) -> nn.Module:
    return ConvBatchNorm(
        op.input_shape[0],
        op.integer("out_channels"),
        op.integer("kernel"),
        op.integer("stride"),
        groups=op.integer("groups"),
        activation=str(op["activation"]),
    )


def _pool(op: Op) -> nn.Module:
    kernel, stride, function = op.integer("kernel"), op.integer("stride"), str(op["function"])
    if kernel == 0:
        return GlobalPool(function)
    if function == "max":
        return nn.MaxPool2d(kernel, stride, kernel // 2)
    return nn.AvgPool2d(kernel, stride, kernel // 2, count_include_pad=False)


BUILDERS: dict[str, Callable[[Op], nn.Module]] = {
    "conv": _conv,
    "mbconv": MBConv,
    "linear": lambda op: nn.Linear(op.input_shape[0], op.integer("out_features")),
    "pool": _pool,
    "activation": lambda op: _activations(str(op["function"]))[0],
    "flatten": lambda _: nn.Flatten(),
    "skip": lambda _: nn.Identity(),
}
"""The builder of every op kind: a function from op to module."""


def build_module(workload: Op | Network) -> nn.Module:
    """The torch module of an op, or of a network as an `nn.Sequential` of its ops. Weights are torch's defaults."""
    if isinstance(workload, Network):
        return nn.Sequential(*(build_module(op) for op in workload.ops))
    builder = BUILDERS.get(workload.kind)
    if builder is None:
        raise UsageError(f"op kind {workload.kind!r} has no module; add a builder to latkit.nn.modules.BUILDERS")
    return builder(workload)


def example_input(shape: Shape, batch: int = 1, seed: int = 0) -> Tensor:
    """Random normal input of shape (batch, *shape); never zeros, which some kernels run faster."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, *shape, generator=generator)
