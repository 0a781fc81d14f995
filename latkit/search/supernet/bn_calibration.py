"""Batch norm recalibration, for weights that have never run together or were trained for few steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from latkit.search.data import DataSplit, Normalize
from latkit.search.training.distributed import average, shard_of

if TYPE_CHECKING:
    from lightning_fabric import Fabric

IMAGES = 2048
"""Maximum number of training images: means over them are known to a few percent of their spread."""


MIN_BATCHES = 500
"""After fewer training batches than this, running statistics do not yet fit the network.

They begin at mean 0 and variance 1 and move by a tenth with every batch, while the weights still change fast: a network
that classifies everything correctly may then be reported at chance.
"""


def recalibrate(
    module: nn.Module, data: DataSplit, fabric: Fabric, batch_size: int, seed: int, images: int = IMAGES
) -> None:
    """Set the running statistics to their means over at most `images` training images, drawn once, not augmented.

    Inherited or averaged weights give other features than those that the running statistics followed (Izmailov et al.
    2018, section 3.2). Mode and momentum of the module are restored. Raises BadFile.
    """
    norms = _norms(module)
    momenta = [norm.momentum for norm in norms]
    was_training = module.training
    normalize = Normalize(data, fabric.device)
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # torch then takes the mean over all batches
        module.train()
        with torch.no_grad(), fabric.autocast():
            for indices in _batches(len(data.train.labels), images, batch_size, seed):
                part = indices[shard_of(fabric).places(len(indices))]
                module(normalize(data.train.fetch(part).to(fabric.device)))
        average_statistics(module, fabric)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        module.train(was_training)


@contextmanager
def statistics_restored(module: nn.Module) -> Iterator[None]:
    """Context manager: running statistics may change within; afterwards they are restored, bit for bit."""
    buffers = [buffer for norm in _norms(module) for buffer in norm.buffers()]
    before = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)


def _norms(module: nn.Module) -> list[_BatchNorm]:
    return [part for part in module.modules() if isinstance(part, _BatchNorm)]


def average_statistics(module: nn.Module, fabric: Fabric) -> None:
    """Replace running statistics by their means over the processes."""
    average([tensor for tensor in module.buffers() if tensor.is_floating_point()], fabric)


def _batches(count: int, taken: int, batch_size: int, seed: int) -> torch.Tensor:
    """Indices of full batches of at most `taken` of `count` images, shape (batches, batch_size).

    A mean over batches needs batches of one size.
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:taken]
    size = min(batch_size, len(order))
    return order[: len(order) // size * size].view(-1, size)
