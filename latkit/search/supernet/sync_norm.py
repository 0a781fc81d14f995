"""Batch norm over the images of all processes: a split batch is normalized as the full batch would be.

torch's own SyncBatchNorm works on CUDA only. This one does the same arithmetic on every device.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from latkit.search.training.distributed import gathered, mean

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class SyncBatchNorm2d(nn.BatchNorm2d):
    """A `BatchNorm2d` over the batches of all processes together; all must have the same number of images.

    In evaluation, and so in an exported network, it is the ordinary one.
    """

    fabric: Fabric

    @classmethod
    def of(cls, norm: nn.BatchNorm2d, fabric: Fabric) -> SyncBatchNorm2d:
        """The same parameters and statistics, shared with `norm`."""
        made = cls.__new__(cls)
        made.__dict__ = {**norm.__dict__, "fabric": fabric}
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> SyncBatchNorm2d:
        """Copies share the processes."""
        memo[id(self.fabric)] = self.fabric
        made = SyncBatchNorm2d.__new__(SyncBatchNorm2d)
        made.__dict__ = copy.deepcopy(self.__dict__, memo)
        return made

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        if not self.training:
            return super().forward(images)
        out, means, variances = _Normalize.apply(images, self.weight, self.bias, self.eps, self.fabric)  # type: ignore[no-untyped-call]
        if self.track_running_stats:
            self._follow(means, variances, images.numel() // images.shape[1] * self.fabric.world_size)
        assert isinstance(out, Tensor)
        return out

    def _follow(self, means: Tensor, variances: Tensor, count: int) -> None:
        """Update the running statistics, as torch does: with the unbiased variance, and to the mean without a
        momentum."""
        assert self.running_mean is not None
        assert self.running_var is not None
        with torch.no_grad():
            batches_tracked, momentum = self.num_batches_tracked, self.momentum
            if batches_tracked is not None:
                batches_tracked.add_(1)
                momentum = 1 / float(batches_tracked) if momentum is None else momentum
            assert momentum is not None
            self.running_mean.lerp_(means, momentum)
            self.running_var.lerp_(variances * (count / max(count - 1, 1)), momentum)


def synchronize(module: nn.Module, fabric: Fabric) -> None:
    """Replace every `BatchNorm2d` inside the module by `SyncBatchNorm2d`; names and values do not change."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.BatchNorm2d:
                setattr(parent, name, SyncBatchNorm2d.of(child, fabric))


class _Normalize(torch.autograd.Function):
    """Batch norm by statistics of all processes' images; also returns them, as (C,) each, with biased variances.

    One message forward, one backward, and no more saved activations than in the ordinary layer. The gradients of weight
    and bias are of this process's images, as for all other parameters.
    """

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, eps: float, fabric: Fabric
    ) -> tuple[Tensor, Tensor, Tensor]:
        """With equal parts, the total variance is the mean of the parts' variances plus the variance of their means."""
        parts = gathered(_moments(images.float()), fabric)  # (ranks, 2, C)
        means = parts[:, 1].mean(0)
        variances = parts[:, 0].mean(0) + (parts[:, 1] - means).square().mean(0)
        ctx.save_for_backward(images, weight, means, torch.rsqrt(variances + eps))
        ctx.fabric = fabric
        ctx.mark_non_differentiable(means, variances)
        ctx.set_materialize_grads(False)
        return F.batch_norm(images, means, variances, weight, bias, eps=eps), means, variances

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor | None) -> tuple[Tensor | None, ...]:
        """dx = weight / deviation (dy - mean(dy) - z mean(dy z)) with z = (x - mean) / deviation, means over all."""
        images, weight, means, inverse = ctx.saved_tensors
        normalized = (images.float() - _per_channel(means)) * _per_channel(inverse)
        by_bias = gradient.float().sum((0, 2, 3))
        by_weight = (gradient.float() * normalized).sum((0, 2, 3))
        count = images.numel() // images.shape[1]
        mean_bias, mean_weight = mean(torch.stack([by_bias, by_weight]), ctx.fabric) / count
        centered = gradient - _per_channel(mean_bias) - normalized * _per_channel(mean_weight)
        by_images = centered * _per_channel(weight * inverse)
        return by_images.to(images.dtype), by_weight, by_bias, None, None


def _moments(images: Tensor) -> Tensor:
    """Biased variances and means of the channels, (2, C). In two passes: `torch.var_mean` takes ten times as long."""
    means = images.mean((0, 2, 3))
    return torch.stack([(images - _per_channel(means)).square().mean((0, 2, 3)), means])


def _per_channel(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1)
