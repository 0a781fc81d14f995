"""Rounds: runs of a workload in alternation with those of the reference."""

from __future__ import annotations

import resource
import sys
import time

from .device.energy import READING_PAUSE_S, EnergyMeter
from .models import Loaded
from .requests import Fields

SUBJECT_BLOCK_NS = 7_000_000
REFERENCE_BLOCK_NS = 2_500_000
MAX_RUNS_PER_BLOCK = 10
WARM_UP_SHARE = 0.25
"""Maximum share of a round that is spent on warming up."""
STILL_FALLING = 0.99
"""A run counts as faster than the fastest before it if it takes less than this share of its time."""
STEADY_RUNS = 3
"""The warm-up ends after this many runs without a faster one."""


class Samples:
    """Raw times of runs, one entry per run."""

    def __init__(self) -> None:
        self.wall_ns: list[int] = []
        self.cpu_ns: list[int] = []
        self.preemptions: list[int] = []


def timed_runs(model: Loaded, count: int, samples: Samples) -> None:
    """Time that many runs. The wall clock is read innermost and encloses one call of the runtime."""
    run, device_ns, wall_clock, cpu_clock = model.run, model.device_ns, time.perf_counter_ns, time.process_time_ns
    usage, whom = resource.getrusage, resource.RUSAGE_SELF
    for _ in range(count):
        switches = usage(whom).ru_nivcsw
        cpu_start = cpu_clock()
        start = wall_clock()
        run()
        end = wall_clock()
        cpu_end = cpu_clock()
        samples.preemptions.append(usage(whom).ru_nivcsw - switches)
        samples.wall_ns.append(end - start if device_ns is None else device_ns())
        samples.cpu_ns.append(cpu_end - cpu_start)


def warm_up(model: Loaded, limit_ns: int) -> list[int]:
    """Run until the times stop falling, at most that long. Returns the time of every run in ns."""
    runs: list[int] = []
    fastest, steady = sys.maxsize, 0
    begin = time.perf_counter_ns()
    while steady < STEADY_RUNS and (not runs or time.perf_counter_ns() - begin < limit_ns):
        start = time.perf_counter_ns()
        model.run()
        runs.append(max(time.perf_counter_ns() - start, 1))
        steady = 0 if runs[-1] < STILL_FALLING * fastest else steady + 1
        fastest = min(fastest, runs[-1])
    return runs


def paced_runs(model: Loaded, interval_s: float, runs: int) -> Fields:
    """Runs that begin at an interval, if the one before has ended; see `pace` in the protocol."""
    samples, missed = Samples(), 0
    timed_runs(model, 1, Samples())
    meter = EnergyMeter()
    due = time.perf_counter()
    for _ in range(runs):
        due += interval_s
        left_s = due - time.perf_counter()
        if left_s > 0:
            time.sleep(left_s)
        elif interval_s:
            missed += 1
            due = time.perf_counter()
        timed_runs(model, 1, samples)
        meter.read(READING_PAUSE_S)
    return {"wall_ns": samples.wall_ns, "cpu_ns": samples.cpu_ns, "missed": missed, **meter.answer()}


def runs_per_block(fastest_ns: int, block_ns: int) -> int:
    """Number of timed runs that take about the given time."""
    return min(max(round(block_ns / fastest_ns), 1), MAX_RUNS_PER_BLOCK)


def time_round(workload: Loaded, reference: Loaded, round_s: float, round_runs: int) -> Fields:
    """One round; see `time` in the protocol."""
    # the first runs of a block find a cold cache: they count as inference time, but are not reported
    workload_samples, reference_samples, discarded = Samples(), Samples(), Samples()
    begin = time.perf_counter_ns()
    limit = int(round_s * 1e9)
    reference_warm_up = warm_up(reference, int(limit * WARM_UP_SHARE / 5))
    subject_warm_up = warm_up(workload, int(limit * WARM_UP_SHARE))
    subject_runs = runs_per_block(min(subject_warm_up), SUBJECT_BLOCK_NS)
    reference_runs = runs_per_block(min(reference_warm_up), REFERENCE_BLOCK_NS)
    rewarming_runs = 1 if min(subject_warm_up) < SUBJECT_BLOCK_NS else 0  # a long run hardly notices a cold cache
    while True:
        timed_runs(reference, 1, discarded)
        timed_runs(reference, reference_runs, reference_samples)
        timed_runs(workload, rewarming_runs, discarded)
        timed_runs(workload, min(subject_runs, round_runs - len(workload_samples.wall_ns)), workload_samples)
        if len(workload_samples.wall_ns) >= round_runs or time.perf_counter_ns() - begin >= limit:
            break
    timed = (discarded.wall_ns, reference_samples.wall_ns, workload_samples.wall_ns)
    return {
        "wall_ns": workload_samples.wall_ns,
        "cpu_ns": workload_samples.cpu_ns,
        "preemptions": workload_samples.preemptions,
        "reference_wall_ns": reference_samples.wall_ns,
        "reference_cpu_ns": reference_samples.cpu_ns,
        "inference_ns": sum(map(sum, (reference_warm_up, subject_warm_up, *timed))),
        "turn": {
            "subject_runs": subject_runs,
            "reference_runs": reference_runs,
            "warm_up_runs": len(subject_warm_up),
        },
    }
