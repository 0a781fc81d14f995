"""The machine that a search runs on: Fabric's device, torch's threads, seeded generators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric

from latkit.errors import UsageError
from latkit.search.settings import SearchSettings


def fabric_of(settings: SearchSettings) -> Fabric:
    """One device, as the settings name it. Raises UsageError where there is none such."""
    try:
        return Fabric(accelerator=settings.accelerator, devices=1, precision=settings.precision)
    except (ValueError, RuntimeError, ImportError) as error:
        raise UsageError(
            f"expected an accelerator that this machine has, but found {settings.accelerator!r}: {error}"
        ) from error


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """So many threads within, and as many as before after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's CPU generator seeded within, and put back after: initial weights are drawn from it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
