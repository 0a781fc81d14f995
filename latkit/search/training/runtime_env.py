"""The runtime environment of a search: Fabric's devices, torch's threads, seeded generators, determinism."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import torch

from latkit.errors import UsageError
from latkit.search.training.settings import TrainingSettings

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PATIENCE = timedelta(hours=12)
"""Timeout of a process waiting for the others: the first one may be measuring on a device."""


def process_count() -> int:
    """Number of processes that search together, as started by torchrun."""
    return int(os.environ["WORLD_SIZE"]) if _is_launched() else 1


def _is_launched() -> bool:
    """Whether torchrun started this process."""
    return torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()


def is_first_process() -> bool:
    """Whether this process is the one that writes files and reports."""
    return process_count() == 1 or os.environ["RANK"] == "0"


def fabric_of(settings: TrainingSettings) -> Fabric:
    """The device that the settings name, or the processes that torchrun has started, joined.

    Raises UsageError where there is no such device.
    """
    from lightning_fabric import Fabric  # takes a second to import, which no report should take
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    accelerator = _accelerator(settings.accelerator)
    try:
        if not _is_launched():
            return Fabric(accelerator=accelerator, devices=1, precision=settings.precision)
        return _joined(accelerator, settings)
    except (ValueError, RuntimeError, ImportError, MisconfigurationException) as error:
        raise UsageError(
            f"expected an accelerator that this machine has, but found {settings.accelerator!r}: {error}"
        ) from error


def _accelerator(requested: str) -> str:
    """The accelerator's name in Fabric. Apple's GPU has no double precision, which sums and multipliers need."""
    if requested == "mps":
        raise UsageError("expected an accelerator with double precision, such as cpu or cuda, but found mps")
    return "cpu" if requested == "auto" and torch.backends.mps.is_available() else requested


def _joined(accelerator: str, settings: TrainingSettings) -> Fabric:
    """One of torchrun's processes, connected to the others."""
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    here, everywhere = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    fabric = Fabric(
        accelerator=accelerator,
        devices=here,
        num_nodes=everywhere // here,
        strategy=DDPStrategy(timeout=PATIENCE),
        precision=settings.precision,
    )
    fabric.launch()
    return fabric


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Context manager: set torch's number of threads, and restore it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Context manager: seed torch's CPU generator, and restore it. Initial weights are drawn from it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


WORKSPACE_VARIABLE, WORKSPACE = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
"""Variable that makes cuBLAS deterministic."""

FILL = "fill_uninitialized_memory"


@contextmanager
def exact(requested: bool, device: torch.device) -> Iterator[None]:
    """Context manager: deterministic results on a GPU, if requested; torch's flags are restored.

    An operation without a deterministic kernel warns. CPUs need none of this: their bits depend on the number of
    threads alone.
    """
    if not requested or device.type != "cuda":
        yield
        return
    cudnn, filling = torch.backends.cudnn, torch.utils.deterministic
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    flags, variable = (cudnn.deterministic, cudnn.benchmark), os.environ.get(WORKSPACE_VARIABLE)
    fill = getattr(filling, FILL)
    os.environ.setdefault(WORKSPACE_VARIABLE, WORKSPACE)
    torch.use_deterministic_algorithms(True, warn_only=True)
    setattr(filling, FILL, False)  # a debugging aid, which costs time
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        setattr(filling, FILL, fill)
        cudnn.deterministic, cudnn.benchmark = flags
        if variable is None:
            os.environ.pop(WORKSPACE_VARIABLE, None)
