"""What one visit says: its fastest run, its typical run, and its turns, in seconds and in units of the reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latkit.targets import Target
from latkit.timing.measurement import Round

Floats = NDArray[np.float64]

CPU_RUNTIMES = ("onnxruntime", "tflite", "torch")
"""Runtimes whose CPU time is the time of the computation; a GPU computes while the CPU waits."""


def uses_cpu_time(target: Target) -> bool:
    """Whether the CPU time of a run on this target is that of its computation: one thread, on a processor."""
    return target.threads == 1 and target.runtime in CPU_RUNTIMES


def round_min_s(one_round: Round, use_cpu_time: bool) -> float:
    """A visit's fastest run, in seconds; by CPU time where that is less and the run's own (`uses_cpu_time`)."""
    return _fastest_s(one_round.wall_ns, one_round.cpu_ns if use_cpu_time else ())


def reference_min_s(one_round: Round, use_cpu_time: bool) -> float:
    """The same of a visit's reference, in seconds."""
    return _fastest_s(one_round.reference_wall_ns, one_round.reference_cpu_ns if use_cpu_time else ())


def _fastest_s(wall_ns: Sequence[int], cpu_ns: Sequence[int]) -> float:
    """The shortest wall time, or the second shortest CPU time where that is less, in seconds.

    Once in some hundred thousand runs a kernel's CPU time falls far short of what any run takes, which would be the
    floor of all if the shortest counted; and one that counts in ticks gives none at all for short runs.
    """
    reported = sorted(ns for ns in cpu_ns if ns > 0)
    return min([min(wall_ns), *reported[1:2]]) / 1e9


def round_blocks(one_round: Round, use_cpu_time: bool) -> tuple[Floats, Floats]:
    """Seconds of every run of a visit, and of the mean reference run just before and just after it; both (runs,).

    Where the agent does not tell its turns, all of the visit is one.
    """
    workload = _runs_s(one_round.wall_ns, one_round.cpu_ns if use_cpu_time else ())
    reference = _runs_s(one_round.reference_wall_ns, one_round.reference_cpu_ns if use_cpu_time else ())
    subject_runs, reference_runs = _block_sizes(one_round) or (len(workload), len(reference))
    before = reference[: len(reference) // reference_runs * reference_runs].reshape(-1, reference_runs).mean(axis=1)
    around = (before + np.append(before[1:], before[-1])) / 2  # shape (turns,)
    block_of = np.minimum(np.arange(len(workload)) // subject_runs, len(around) - 1)
    return workload, around[block_of]


def _block_sizes(one_round: Round) -> tuple[int, int] | None:
    """How many timed runs of the subject and of the reference a turn holds; None where the agent does not tell."""
    reported = one_round.conditions.get("turn")
    sizes = [reported.get(name) for name in ("subject_runs", "reference_runs")] if isinstance(reported, dict) else []
    match sizes:
        case [int(workload), int(reference)] if workload > 0 and 0 < reference <= len(one_round.reference_wall_ns):
            return min(workload, len(one_round.wall_ns)), reference
    return None


def _runs_s(wall_ns: Sequence[int], cpu_ns: Sequence[int]) -> Floats:
    """Seconds of every run, shape (runs,): its CPU time where that is told and less than its wall time."""
    wall = np.asarray(wall_ns, dtype=np.float64)
    cpu = np.asarray(cpu_ns, dtype=np.float64) if len(cpu_ns) else wall
    return np.where(cpu > 0, np.minimum(wall, cpu), wall) / 1e9
