"""Of several architectures, the one that does best with the weights they share."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import islice

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from latkit.search.data import Feeder
from latkit.search.ranks import mean
from latkit.search.supernet import Supernet
from latkit.spaces import Architecture


def least_loss(
    supernet: Supernet, feeder: Feeder, batches: int, fabric: Fabric, architectures: Sequence[Architecture]
) -> Architecture:
    """The architecture with the least loss on the feeder's first `batches` batches.

    Batch norm uses the batch's statistics, since the running ones are of many paths. The supernet stays as it is.
    """
    if len(architectures) == 1:
        return architectures[0]
    seen = list(islice(feeder.stream(), batches))
    losses = torch.stack([_loss(supernet, architecture, seen, fabric) for architecture in architectures])
    return architectures[int(mean(losses, fabric).argmin())]


def _loss(
    supernet: Supernet, architecture: Architecture, batches: Sequence[tuple[Tensor, Tensor]], fabric: Fabric
) -> Tensor:
    """Mean loss over batches, a scalar."""
    network = copy.deepcopy(supernet.path_module(architecture)).train()  # its statistics would change
    with torch.no_grad(), fabric.autocast():
        losses = [F.cross_entropy(network(images), labels) for images, labels in batches]
    return torch.stack(losses).mean()
