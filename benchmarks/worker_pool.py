"""Processes of a benchmark, each with one core, that end when the benchmark does."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait
from multiprocessing.pool import Pool


def worker_pool(processes: int) -> Pool:
    """New processes, which import what they run. They end with this one, also where it is killed."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    return multiprocessing.get_context("spawn").Pool(processes, end_with_parent)


def end_with_parent() -> None:
    """Let this process end as soon as the one that started it has, whatever it computes then."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    """The sentinel of a process is ready once it has ended."""
    wait([sentinel])
    os._exit(1)
