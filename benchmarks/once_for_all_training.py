"""Parts of `once_for_all.py`: trainings, each resumable: of all curricula for a while, and of one for long."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

from latkit.errors import LatkitError
from latkit.search.curricula import CURRICULA, DEFAULT_CURRICULUM
from latkit.search.once_for_all.trained import load_supernet
from latkit.search.once_for_all.training.phase import CurriculumPhase
from latkit.search.once_for_all.training.run import fresh_supernet, train_supernet
from latkit.search.supernet.weight_trainer import device_module
from latkit.search.training.runtime_env import fabric_of

if TYPE_CHECKING:
    from benchmarks.once_for_all import Bench

TIMED_STEPS, TIMED_BLOCKS = 24, 4
MAX_EPOCHS = 1000
EQUAL = ("uniform", DEFAULT_CURRICULUM)
"""What the long curriculum is compared with for equal seconds."""


class OutOfTime(LatkitError):
    """The seconds of `--max-seconds` are over; what was not finished is named."""


@dataclass(frozen=True)
class UntilDeadline:
    """Stops a training at the end of an epoch, which is when a checkpoint was written, or what saves every step."""

    deadline: float
    saves_steps: bool = False

    def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
        """Raises OutOfTime."""
        if (text or self.saves_steps) and time.monotonic() > self.deadline:
            raise OutOfTime(f"{phase}: {done} of {total} steps")


def epochs_of(bench: Bench, curriculum: str, seconds: float) -> int:
    """Epochs that take a number of CPU seconds, by the seconds of some steps of every stage."""
    stages = CURRICULA.get(curriculum).stages(bench.space, 100)
    problem, fabric = bench.problem(curriculum, 0, 100), fabric_of(bench.base)
    net, costs = fresh_supernet(problem), {}
    for number, stage in enumerate(stages):
        phase = CurriculumPhase(problem, device_module(net, fabric), stage, number, fabric)
        costs[stage.name] = step_seconds(phase) * phase.steps_per_epoch
    for epochs in range(len(stages), MAX_EPOCHS):
        planned = CURRICULA.get(curriculum).stages(bench.space, epochs + 1)
        if sum(costs[stage.name] * stage.epochs for stage in planned) > seconds:
            return epochs
    return MAX_EPOCHS


def step_seconds(phase: CurriculumPhase) -> float:
    """Mean CPU seconds of some steps, each the minimum of several with the same sub-networks: noise is one-sided."""
    begin, best = phase.generator.get_state(), [float("inf")] * TIMED_STEPS
    for _ in range(TIMED_BLOCKS):  # the first builds the modules
        phase.generator.set_state(begin)
        phase.begin(0)
        for step in range(TIMED_STEPS):
            begun = time.process_time()
            phase.step(step)
            best[step] = min(best[step], time.process_time() - begun)
    return fmean(best)


def briefly(bench: Bench, curriculum: str, seed: int) -> dict[str, Any]:
    """A training for the CPU seconds of the benchmark, and its sub-networks' test accuracies."""
    epochs = bench.once(f"epochs {curriculum}", lambda: epochs_of(bench, curriculum, bench.given.seconds))
    name = f"{curriculum}-{seed}"
    return dict(bench.once(f"{curriculum} seed {seed}", lambda: _trained(bench, curriculum, seed, epochs, name)))


def long(bench: Bench, seed: int) -> dict[str, Any]:
    """The supernet that is compared with networks trained alone, and specialized."""
    curriculum, epochs, name = bench.given.long_curriculum, bench.given.epochs, bench.supernet_name(seed)
    key = f"{curriculum} for {epochs} epochs" + (f" seed {seed}" if seed else "")
    return dict(bench.once(key, lambda: _trained(bench, curriculum, seed, epochs, name)))


def longs(bench: Bench) -> list[dict[str, Any]]:
    """Those of all seeds."""
    return [long(bench, seed) for seed in range(bench.given.long_seeds)]


def _trained(bench: Bench, curriculum: str, seed: int, epochs: int, name: str) -> dict[str, Any]:
    problem, fabric = bench.problem(curriculum, seed, epochs), fabric_of(bench.base)
    folder, net = bench.workspace.search_dir(name), fresh_supernet(problem)
    begun = time.process_time()
    try:
        result = train_supernet(problem, folder, UntilDeadline(bench.deadline), folder.exists(), net, fabric)
    finally:
        cpu_s = bench.add_seconds(name, time.process_time() - begun)
    judge = load_supernet(folder, bench.data).judge  # also of a training that had finished before
    return {
        "epochs": epochs,
        "cpu_seconds": cpu_s,
        "smallest": result.smallest.test,
        "largest": result.largest.test,
        "random": [judge.score(judge.module(one), one, "test") for one in bench.subnets()],
    }


def curricula(bench: Bench) -> dict[str, Any]:
    """All curricula for the same seconds."""
    names = bench.given.curriculum or [name for name in CURRICULA.names() if name != bench.given.long_curriculum]
    every = [(seed, name) for seed in range(bench.given.seeds) for name in names]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed, name in every:  # side by side: what disturbs the machine disturbs all
        runs[name].append(briefly(bench, name, seed))
    return {"curricula": {name: _row(runs[name]) for name in names}, "default_curriculum": DEFAULT_CURRICULUM}


def _row(runs: list[dict[str, Any]]) -> dict[str, Any]:
    means = [fmean(run["random"]) for run in runs]
    return {
        "smallest_accuracy": fmean(run["smallest"] for run in runs),
        "random_accuracy_mean": fmean(means),
        "largest_accuracy": fmean(run["largest"] for run in runs),
        "spread": pstdev(means),
        "smallest_spread": pstdev([run["smallest"] for run in runs]),
        "epochs": runs[0]["epochs"],
        "cpu_seconds": fmean(run["cpu_seconds"] for run in runs),
    }


def long_row(bench: Bench) -> dict[str, Any]:
    """The long trainings' figures."""
    return {"long": {"curriculum": bench.given.long_curriculum, **_row(longs(bench))}}


def equal_rows(bench: Bench) -> dict[str, Any]:
    """Other curricula for the CPU seconds of the long training."""
    seconds = fmean(one["cpu_seconds"] for one in longs(bench))
    names = bench.given.curriculum or EQUAL
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed in range(bench.given.long_seeds):
        for curriculum in names:
            runs[curriculum].append(_as_costly(bench, curriculum, seed, seconds))
    return {"long_equal": {name: _row(runs[name]) for name in names}}


def _as_costly(bench: Bench, curriculum: str, seed: int, seconds: float) -> dict[str, Any]:
    epochs = bench.once(f"epochs {curriculum} long", lambda: epochs_of(bench, curriculum, seconds))
    name = f"{curriculum}-long-{seed}"
    return dict(bench.once(f"{name} for {epochs} epochs", lambda: _trained(bench, curriculum, seed, epochs, name)))
