"""What one visit says: its fastest run, its typical run, and its turns, in seconds and in units of the reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latkit.targets import Target
from latkit.timing.measurement import Visit

Floats = NDArray[np.float64]

CPU_RUNTIMES = ("onnxruntime", "tflite", "torch")
"""Runtimes whose CPU time is the time of the computation; a GPU computes while the CPU waits."""


def runs_alone(target: Target) -> bool:
    """Whether the CPU time of a run on this target is that of its computation: one thread, on a processor."""
    return target.threads == 1 and target.runtime in CPU_RUNTIMES


def visit_floor_s(visit: Visit, alone: bool) -> float:
    """A visit's fastest run, in seconds; by CPU time where that is less and the run's own (`runs_alone`)."""
    return _fastest_s(visit.wall_ns, visit.cpu_ns if alone else ())


def visit_reference_floor_s(visit: Visit, alone: bool) -> float:
    """The same of a visit's reference, in seconds."""
    return _fastest_s(visit.reference_wall_ns, visit.reference_cpu_ns if alone else ())


def _fastest_s(wall_ns: Sequence[int], cpu_ns: Sequence[int]) -> float:
    """The shortest wall time, or the second shortest CPU time where that is less, in seconds.

    Once in some hundred thousand runs a kernel's CPU time falls far short of what any run takes, which would be the
    floor of all if the shortest counted; and one that counts in ticks gives none at all for short runs.
    """
    told = sorted(ns for ns in cpu_ns if ns > 0)
    return min([min(wall_ns), *told[1:2]]) / 1e9


def visit_turns(visit: Visit, alone: bool) -> tuple[Floats, Floats]:
    """Seconds of every run of a visit, and of the mean reference run just before and just after it; both (runs,).

    Where the agent does not tell its turns, all of the visit is one.
    """
    subject = _runs_s(visit.wall_ns, visit.cpu_ns if alone else ())
    reference = _runs_s(visit.reference_wall_ns, visit.reference_cpu_ns if alone else ())
    subject_runs, reference_runs = _turn_sizes(visit) or (len(subject), len(reference))
    before = reference[: len(reference) // reference_runs * reference_runs].reshape(-1, reference_runs).mean(axis=1)
    around = (before + np.append(before[1:], before[-1])) / 2  # shape (turns,)
    turn_of = np.minimum(np.arange(len(subject)) // subject_runs, len(around) - 1)
    return subject, around[turn_of]


def _turn_sizes(visit: Visit) -> tuple[int, int] | None:
    """How many timed runs of the subject and of the reference a turn holds; None where the agent does not tell."""
    told = visit.conditions.get("turn")
    sizes = [told.get(name) for name in ("subject_runs", "reference_runs")] if isinstance(told, dict) else []
    match sizes:
        case [int(subject), int(reference)] if subject > 0 and 0 < reference <= len(visit.reference_wall_ns):
            return min(subject, len(visit.wall_ns)), reference
    return None


def _runs_s(wall_ns: Sequence[int], cpu_ns: Sequence[int]) -> Floats:
    """Seconds of every run, shape (runs,): its CPU time where that is told and less than its wall time."""
    wall = np.asarray(wall_ns, dtype=np.float64)
    cpu = np.asarray(cpu_ns, dtype=np.float64) if len(cpu_ns) else wall
    return np.where(cpu > 0, np.minimum(wall, cpu), wall) / 1e9
