"""Out of memory and out of disk: errors with advice."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from latkit.errors import DiskFull, OutOfMemory
from latkit.search.training.settings import TrainingSettings

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers of a full file system, an exceeded quota, or a file that is too large."""

NO_MEMORY = (
    "not enough memory",
    "can't allocate memory",
    "out of memory",
    "Cannot allocate memory",
    "out of shared memory",
    "STATUS_ALLOC_FAILED",
    "is killed by signal: Killed",
)
"""Messages of torch's allocators and data loaders, in errors without a class of their own."""
NO_ROUTINE = "could not create a primitive"
"""The whole message of oneDNN where there is no memory for a routine's code; longer ones have other causes."""


@contextmanager
def translate_resource_errors(folder: Path, settings: TrainingSettings) -> Iterator[None]:
    """Context manager: raise OutOfMemory or DiskFull, with advice, in place of torch's and the system's errors."""
    try:
        yield
    except DiskFull as error:
        raise DiskFull(f"{folder}: {error}; make room and continue with --resume") from error
    except OSError as error:
        if error.errno in FULL:
            raise DiskFull(
                f"{folder}: expected room, but the disk is full; what was written before is kept; make room and "
                "continue with --resume"
            ) from error
        if error.errno == errno.ENOMEM:
            raise _out_of_memory(folder, settings, error) from error
        raise
    except (MemoryError, RuntimeError) as error:
        if _is_of_memory(error):
            raise _out_of_memory(folder, settings, error) from error
        raise


def _out_of_memory(folder: Path, settings: TrainingSettings, error: BaseException) -> OutOfMemory:
    return OutOfMemory(
        f"{folder}: expected enough memory for the search, but found: {_first_line(error)}. The last checkpoint is "
        f"kept: {_how_to_go_on(settings, error)}. "
        f"Else begin another search with {', or with '.join(_remedies(settings))}"
    )


def _is_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return str(error).strip() == NO_ROUTINE or any(phrase in str(error) for phrase in NO_MEMORY)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip()


def _how_to_go_on(settings: TrainingSettings, error: BaseException) -> str:
    """What may be changed when the search is resumed."""
    if "shared memory" in str(error):
        return "continue with --resume and workers=0, since it is workers that share memory"
    resumed = "where other programs took the memory, continue with --resume"
    return resumed if settings.checkpointing else f"{resumed}; where not, with checkpointing=true besides"


def _remedies(settings: TrainingSettings) -> list[str]:
    """Settings that lower memory and change the result, the cheapest first."""
    remedies = [" and ".join(f"a {name} below {size}" for name, size in settings.batch_sizes.items())]
    if settings.precision == "32-true":
        remedies.append("precision=bf16-mixed")
    return remedies
