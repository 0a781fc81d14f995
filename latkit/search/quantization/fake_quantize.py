"""Quantization simulated in floats, with straight-through gradients: what an int8 file computes, as a torch module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WEIGHT_LIMIT = 127
"""Weights are signed and symmetric, from -127 to 127, with a scale for every output channel."""
LEVELS = 255
"""Activations have 256 values between the ends of a range that contains 0."""


class WeightQuantizer(nn.Module):
    """Rounds weights (out, ...) per output channel; the gradient passes through unchanged."""

    def forward(self, weight: Tensor) -> Tensor:
        """The rounded weights."""
        scales = weight.detach().abs().flatten(1).amax(1).clamp_min(1e-12) / WEIGHT_LIMIT
        zeros = torch.zeros(len(scales), dtype=torch.int32, device=weight.device)
        return torch.fake_quantize_per_channel_affine(weight, scales, zeros, 0, -WEIGHT_LIMIT, WEIGHT_LIMIT)


class ActivationQuantizer(nn.Module):
    """Rounds a tensor to 256 values of a range: that of the calibration, or of each image where it is dynamic.

    Gradients pass through inside the range and are 0 outside it.
    """

    low: Tensor
    high: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        self.mode = "off"
        """`off`, `observe` (the range grows with what passes), `static` or `dynamic`."""

    def forward(self, values: Tensor) -> Tensor:
        """The rounded tensor; in modes `off` and `observe` the tensor itself."""
        if self.mode == "observe":
            self.low.copy_(torch.minimum(self.low, values.detach().amin()))
            self.high.copy_(torch.maximum(self.high, values.detach().amax()))
        if self.mode == "dynamic":
            return rounded_per_image(values)
        if self.mode != "static":
            return values
        scale = ((self.high - self.low) / LEVELS).clamp_min(1e-12)
        zero_point = (-self.low / scale).round().clamp(0, LEVELS).to(torch.int32)
        return torch.fake_quantize_per_tensor_affine(values, scale, zero_point, 0, LEVELS)


def rounded_per_image(values: Tensor) -> Tensor:
    """Each image (N, ...) by its own range, as at batch 1."""
    flat = values.detach().flatten(1)
    low, high = flat.amin(1).clamp_max(0), flat.amax(1).clamp_min(0)
    shape = (-1, *[1] * (values.dim() - 1))
    scale = ((high - low) / LEVELS).clamp_min(1e-12).view(shape)
    zero_point = (-low.view(shape) / scale).round()
    rounded = ((values / scale + zero_point).round().clamp(0, LEVELS) - zero_point) * scale
    return values + (rounded - values).detach()
