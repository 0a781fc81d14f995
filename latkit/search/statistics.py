"""Batch norm statistics taken anew, for weights that have never run together."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from latkit.search.data import DataSplit, Normalise
from latkit.search.ranks import average, part_of

IMAGES = 2048
"""As many training images at most: means over them are known to a few per cent of their spread."""


def recalibrate(module: nn.Module, data: DataSplit, fabric: Fabric, batch_size: int, seed: int) -> None:
    """Set the running statistics to their means over training images, drawn once, not augmented.

    Weights that were inherited or averaged give other features than those which the running statistics followed
    (Izmailov et al. 2018, section 3.2). Leaves module and momentum in the mode that they were in. Raises BadFile.
    """
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    was_training = module.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch then takes the mean over all batches
    module.train()
    normalise = Normalise(data, fabric.device)
    with torch.no_grad(), fabric.autocast():
        for indices in _batches(len(data.train.labels), batch_size, seed):
            part = indices[part_of(fabric).places(len(indices))]
            module(normalise(data.train.fetch(part).to(fabric.device)))
    average_statistics(module, fabric)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    module.train(was_training)


def average_statistics(module: nn.Module, fabric: Fabric) -> None:
    """Replace running statistics by their means over the processes."""
    average([tensor for tensor in module.buffers() if tensor.is_floating_point()], fabric)


def _batches(count: int, batch_size: int, seed: int) -> torch.Tensor:
    """Indices of whole batches, shape (batches, batch_size): a mean over batches wants them of one size."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:IMAGES]
    size = min(batch_size, len(order))
    return order[: len(order) // size * size].view(-1, size)
