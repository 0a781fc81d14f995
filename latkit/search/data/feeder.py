"""The feeder: batches in a random order determined by a seed, augmented on the training device."""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import multiprocessing.context
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from latkit.errors import BadFile, UsageError
from latkit.search.data.images import IMAGE, ArrayImages, DataSplit, ImageSet, found_instead
from latkit.search.tasks import Augmentation, Task, draw_transform

Batch = tuple[Tensor, Tensor]
"""Images (N, C, H, W), normalized, channels last in memory; targets, whose shape depends on the task: labels (N,)."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Which of several equal parts of every batch one process gets."""

    number: int = 0
    of: int = 1

    def places(self, count: int) -> slice:
        """This part's indices in a batch of `count` images. Raises UsageError where the parts would not be equal."""
        if count % self.of:
            raise UsageError(
                f"expected batches that {self.of} processes can share equally, but found batches of {count} images; "
                f"set batch_size and training_batch_size to multiples of {self.of}, or start fewer processes"
            )
        size = count // self.of
        return slice(self.number * size, (self.number + 1) * size)


SINGLE_SHARD = Shard()
"""The only part of a single process."""


@dataclass(frozen=True, slots=True)
class Feed:
    """How images become batches."""

    task: Task
    batch_size: int
    seed: int
    augmentation: Augmentation
    workers: int = 0
    """Number of processes that decode image files."""
    shard: Shard = SINGLE_SHARD


class Feeder:
    """Endless batches of one image set, every batch a function of seed and number alone.

    A run resumes at batch n by requesting batch n; no order has to be saved. Each pass over the images is a new
    permutation; images that do not fill a batch are left out of the pass. Each of several processes gets its part of
    every batch, with the same crops and mirroring as in the full batch.
    """

    def __init__(self, data: DataSplit, images: ImageSet, indices: Tensor, feed: Feed, device: torch.device) -> None:
        """`data` gives the normalization; `indices` are those of the images to use."""
        self.images = images
        if isinstance(images, ArrayImages):
            # moved once, and so is the order of a pass: the device then looks up, crops, flips and
            # normalizes by itself, and no batch waits for a copy
            self.images = ArrayImages(images.images.to(device), images.labels.to(device))
        order_device = self.images.labels.device
        self.plan = _Plan(indices.to(order_device), feed)
        self.feed = feed
        self.device = device
        self.normalize = Normalize(data, device)
        self._generator = torch.Generator(device)

    @property
    def batches_per_pass(self) -> int:
        """Number of full batches in one pass over the images."""
        return self.plan.batches_per_pass

    def stream(self, start: int = 0) -> Iterator[Batch]:
        """Endless batches from number `start` on. Raises BadFile for an image that cannot be decoded."""
        for number, (images, labels) in enumerate(self._raw(start), start):
            self._generator.manual_seed(_mix(self.plan.seed, number))
            task, plan = self.feed.task, self.plan
            transform = draw_transform(self.feed.augmentation, plan.batch_size, self._generator, plan.places)
            targets = task.targets(labels.to(self.device, non_blocking=True))
            pixels, targets = task.augment(images.to(self.device, non_blocking=True), targets, transform)
            yield self.normalize(pixels), targets

    def _raw(self, start: int) -> Iterator[Batch]:
        """Unnormalized images from the set, and labels, as they are in it."""
        in_this_process = self.images.in_memory or self.feed.workers == 0
        return self._fetched(start) if in_this_process else self._decoded(start)

    def _fetched(self, start: int) -> Iterator[Batch]:
        for number in itertools.count(start):
            indices = self.plan.indices_of(number)
            yield self.images.fetch(indices), self.images.labels[indices]

    def _decoded(self, start: int) -> Iterator[Batch]:
        """Decoded ahead of time by worker processes."""
        generator = torch.Generator().manual_seed(self.plan.seed)  # or DataLoader would draw from the global one
        loader: DataLoader[tuple[Tensor, Tensor, str, str]] = DataLoader(
            _Decoding(self.images, self.plan),
            batch_size=None,
            sampler=_CountFrom(start),
            num_workers=self.feed.workers,
            pin_memory=self.device.type == "cuda",
            generator=generator,
            multiprocessing_context=_forkserver(),
        )
        for images, labels, file, problem in loader:
            if problem:
                raise BadFile(file, IMAGE, problem)
            yield images, labels


@functools.cache
def _forkserver() -> multiprocessing.context.BaseContext:
    """How workers are started: forked off a process that has imported torch once for all of them.

    A forked copy of this process, which runs threads as torch and JAX (for TFLite) do, may hang.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", __name__])
    return context


class _Plan:
    """Which images belong to which batch."""

    def __init__(self, indices: Tensor, feed: Feed) -> None:
        self.indices = indices
        self.batch_size = min(feed.batch_size, len(indices))
        self.seed = feed.seed
        self.places = feed.shard.places(self.batch_size)
        self.batches_per_pass = len(indices) // self.batch_size
        self._pass, self._order = -1, indices

    def indices_of(self, number: int) -> Tensor:
        """Indices of the images in this process's part of a batch, shape (batch_size / parts,)."""
        which_pass, position = divmod(number, self.batches_per_pass)
        if which_pass != self._pass:
            generator = torch.Generator().manual_seed(_mix(self.seed, which_pass))
            order = torch.randperm(len(self.indices), generator=generator)
            self._pass, self._order = which_pass, self.indices[order.to(self.indices.device)]
        return self._order[position * self.batch_size : (position + 1) * self.batch_size][self.places]


class _Decoding(Dataset[tuple[Tensor, Tensor, str, str]]):
    """Decodes batches by number, in a worker process."""

    def __init__(self, images: ImageSet, plan: _Plan) -> None:
        self.images = images
        self.plan = plan

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, str, str]:
        indices = self.plan.indices_of(number)
        try:
            return self.images.fetch(indices), self.images.labels[indices], "", ""
        except BadFile as error:  # an exception with several arguments cannot be pickled between processes
            return indices, indices, str(error.path), found_instead(error)


class _CountFrom(Sampler[int]):
    """Counts without end."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self.start)


class Normalize:
    """uint8 images (N, C, H, W) to float ones of mean 0 and standard deviation 1, channels last in memory.

    Channels last, since convolutions on CPUs (oneDNN) and on tensor cores are faster with it.
    """

    def __init__(self, data: DataSplit, device: torch.device) -> None:
        shape = (1, data.channels, 1, 1)
        self.mean = torch.tensor(data.mean, device=device).view(shape) * 255
        self.scale = 1 / (torch.tensor(data.std, device=device).view(shape) * 255)

    def __call__(self, images: Tensor) -> Tensor:
        """Normalize a batch."""
        return ((images - self.mean) * self.scale).contiguous(memory_format=torch.channels_last)


def _mix(seed: int, number: int) -> int:
    """Combine two numbers into one seed, so that neighboring numbers give unrelated seeds."""
    return (seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9) % 2**63
