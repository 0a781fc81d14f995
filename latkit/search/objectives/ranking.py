"""Ranking of architectures by their loss with shared weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from latkit.search.data import Batch, Feeder
from latkit.search.supernet.supernet import Supernet
from latkit.search.tasks import Task
from latkit.search.training.distributed import mean
from latkit.spaces import Architecture

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def rank_by_loss(
    supernet: Supernet, feeder: Feeder, batches: int, fabric: Fabric, architectures: Sequence[Architecture]
) -> list[Architecture]:
    """The architectures sorted by their loss on the feeder's first `batches` batches, lowest first.

    Batch norm uses the batch's statistics, since the running ones mix many paths. The supernet is not changed.
    """
    if len(architectures) < 2:
        return list(architectures)
    selected = list(islice(feeder.stream(), batches))
    losses = torch.stack(
        [_loss(supernet.path_module(one), selected, feeder.feed.task, fabric) for one in architectures]
    )
    order = mean(losses, fabric).argsort(stable=True)
    return [architectures[index] for index in order.tolist()]


def _loss(module: nn.Module, batches: Sequence[Batch], task: Task, fabric: Fabric) -> Tensor:
    """Mean loss over batches, a scalar."""
    network = copy.deepcopy(module).train()  # its statistics would change
    with torch.no_grad(), fabric.autocast():
        losses = [task.loss(network(images), targets) for images, targets in batches]
    return torch.stack(losses).mean()
