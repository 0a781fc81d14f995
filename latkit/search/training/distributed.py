"""Distributed search: several processes, started by torchrun, run one search together.

The processes hold the same weights, draw the same paths and each get a share of every batch. DDP is not used: its
buckets assume that all gradients exist, and `find_unused_parameters` walks the graph in every step, since every step
uses other parameters. Instead the gradients of the drawn path are averaged in one message after the backward pass:
every process knows the path, so all send the same parameters in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch import distributed as dist

from latkit.errors import LatkitError
from latkit.search.data import Shard

if TYPE_CHECKING:
    from lightning_fabric import Fabric

MESSAGE_NUMBERS = 16 * 2**20
"""Gradients are sent in chunks of about this many numbers, which bounds the memory for sending."""


def shard_of(fabric: Fabric) -> Shard:
    """This process's part of every batch."""
    return Shard(fabric.global_rank, fabric.world_size)


def total(values: Tensor, fabric: Fabric) -> Tensor:
    """The sum of the processes' values, bit-identical in all of them."""
    if fabric.world_size == 1:
        return values
    sent = values.to(fabric.device, copy=True).contiguous()  # NCCL needs it on the device
    _together(lambda: dist.all_reduce(sent))
    return sent.to(values.device)


def mean(values: Tensor, fabric: Fabric) -> Tensor:
    """The mean of the processes' values, bit-identical in all of them."""
    return values if fabric.world_size == 1 else total(values, fabric) / fabric.world_size


def gathered(values: Tensor, fabric: Fabric) -> Tensor:
    """The processes' values, stacked in a new first dimension."""
    if fabric.world_size == 1:
        return values.unsqueeze(0)
    sent = values.to(fabric.device).contiguous()
    received = [torch.empty_like(sent) for _ in range(fabric.world_size)]
    _together(lambda: dist.all_gather(received, sent))
    return torch.stack(received).to(values.device)


def average_gradients(parameters: Iterable[Tensor], fabric: Fabric) -> None:
    """Replace every gradient by its mean over the processes; parameters without a gradient are skipped."""
    if fabric.world_size > 1:  # a single process has no work here
        average([parameter.grad for parameter in parameters if parameter.grad is not None], fabric)


def average(tensors: list[Tensor], fabric: Fabric) -> None:
    """Replace tensors, the same ones in every process, by their means over the processes, in few messages."""
    for chunk in _chunks(tensors) if fabric.world_size > 1 else ():
        averaged = mean(torch.cat([tensor.reshape(-1) for tensor in chunk]), fabric)
        parts = torch.split(averaged, [tensor.numel() for tensor in chunk])
        for tensor, part in zip(chunk, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))


def _chunks(tensors: list[Tensor]) -> Iterable[list[Tensor]]:
    """The tensors in order, in lists of at most `MESSAGE_NUMBERS` numbers or of one tensor."""
    chunk: list[Tensor] = []
    numbers = 0
    for tensor in tensors:
        if chunk and numbers + tensor.numel() > MESSAGE_NUMBERS:
            yield chunk
            chunk, numbers = [], 0
        chunk.append(tensor)
        numbers += tensor.numel()
    if chunk:
        yield chunk


def broadcast_flag_from_main(yes: bool, fabric: Fabric) -> bool:
    """The first process's flag, in all processes: their clocks differ."""
    if fabric.world_size == 1:
        return yes
    return bool(total(torch.tensor(float(yes and fabric.is_global_zero)), fabric))


def broadcast_from_main(work: Callable[[], bytes], fabric: Fabric) -> bytes:
    """Run the work in the first process, and return its result in all: only the first one touches files.

    An error of the work is raised there, and ends the others with LatkitError.
    """
    if fabric.world_size == 1:
        return work()
    if not fabric.is_global_zero:
        return _received(fabric)
    try:
        content = work()
    except BaseException:
        _broadcast(torch.tensor([-1]), fabric)
        raise
    _broadcast(torch.tensor([len(content)]), fabric)
    if content:
        _broadcast(torch.frombuffer(bytearray(content), dtype=torch.uint8), fabric)
    return content


def broadcast_path_from_main(path: Path | None, fabric: Fabric) -> Path | None:
    """The first process's path, in all processes: their disks may differ."""
    name = broadcast_from_main(lambda: str(path or "").encode(), fabric).decode()
    return Path(name) if name else None


def _received(fabric: Fabric) -> bytes:
    """The object that the first process sends."""
    length = int(_broadcast(torch.tensor([0]), fabric))
    if length < 0:
        raise LatkitError("the first process has ended this search; its message says why")
    if not length:
        return b""
    return _broadcast(torch.zeros(length, dtype=torch.uint8), fabric).numpy().tobytes()


def _broadcast(values: Tensor, fabric: Fabric) -> Tensor:
    """The first process's values, on the CPU."""
    sent = values.to(fabric.device)
    _together(lambda: dist.broadcast(sent, 0))
    return sent.cpu()


def _together(exchange: Callable[[], object]) -> None:
    """Run a collective operation; if another process is gone, raise a clear error instead of the network's message."""
    try:
        exchange()
    except RuntimeError as error:
        raise LatkitError(
            "another process of this search has ended or cannot be reached; look for its message. The last checkpoint "
            f"is kept: start all of them again with --resume ({str(error).splitlines()[0].split('. ')[0]})"
        ) from error
