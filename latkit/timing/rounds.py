"""Statistics of one round: its fastest run, its typical run, and its blocks, in seconds and in units of
the reference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latkit._io.arrays import Floats
from latkit.runtimes import get_runtime
from latkit.targets import Target
from latkit.timing.measurement import Round


def uses_cpu_time(target: Target) -> bool:
    """Whether the CPU time of a run on this target is that of its computation: one thread, on a processor."""
    return target.threads == 1 and get_runtime(target.runtime).uses_cpu_time


def round_min_s(one_round: Round, use_cpu_time: bool) -> float:
    """A round's fastest run, in seconds; by CPU time if that is less and belongs to the run (`uses_cpu_time`)."""
    return _fastest_s(one_round.wall_ns, one_round.cpu_ns if use_cpu_time else ())


def reference_min_s(one_round: Round, use_cpu_time: bool) -> float:
    """The fastest run of a round's reference, in seconds."""
    return _fastest_s(one_round.reference_wall_ns, one_round.reference_cpu_ns if use_cpu_time else ())


def _fastest_s(wall_ns: Sequence[int], cpu_ns: Sequence[int]) -> float:
    """The shortest wall time, or the second shortest CPU time if that is less, in seconds.

    About once in 100,000 runs, the kernel's CPU time falls far short of what any run takes. It would be the minimum of
    all if the shortest counted. A kernel that counts in ticks reports zero for short runs.
    """
    reported = sorted(ns for ns in cpu_ns if ns > 0)
    return min([min(wall_ns), *reported[1:2]]) / 1e9


def round_blocks(one_round: Round, use_cpu_time: bool) -> tuple[Floats, Floats]:
    """Seconds of every run of a round, and of the mean reference run just before and just after it; both (runs,).

    If the agent does not report its blocks, the whole round is one block.
    """
    workload = _runs_s(one_round.wall_ns, one_round.cpu_ns if use_cpu_time else ())
    reference = _runs_s(one_round.reference_wall_ns, one_round.reference_cpu_ns if use_cpu_time else ())
    subject_runs, reference_runs = _block_sizes(one_round) or (len(workload), len(reference))
    before = reference[: len(reference) // reference_runs * reference_runs].reshape(-1, reference_runs).mean(axis=1)
    around = (before + np.append(before[1:], before[-1])) / 2  # shape (blocks,)
    block_of = np.minimum(np.arange(len(workload)) // subject_runs, len(around) - 1)
    return workload, around[block_of]


def _block_sizes(one_round: Round) -> tuple[int, int] | None:
    """Number of timed runs of the workload and of the reference in a block; None if the agent does not report it."""
    reported = one_round.conditions.get("turn")
    sizes = [reported.get(name) for name in ("subject_runs", "reference_runs")] if isinstance(reported, dict) else []
    match sizes:
        case [int(workload), int(reference)] if workload > 0 and 0 < reference <= len(one_round.reference_wall_ns):
            return min(workload, len(one_round.wall_ns)), reference
    return None


def _runs_s(wall_ns: Sequence[int], cpu_ns: Sequence[int]) -> Floats:
    """Seconds of every run, shape (runs,): its CPU time if that is reported and less than its wall time."""
    wall = np.asarray(wall_ns, dtype=np.float64)
    cpu = np.asarray(cpu_ns, dtype=np.float64) if len(cpu_ns) else wall
    return np.where(cpu > 0, np.minimum(wall, cpu), wall) / 1e9
