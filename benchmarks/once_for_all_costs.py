"""Parts of `once_for_all.py`: sub-networks trained alone, and the cost of a step."""

from __future__ import annotations

import time
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.once_for_all_training import briefly, longs
from benchmarks.supernet_step import cpu_step_bytes, resting_bytes
from latkit.progress import Silent
from latkit.search.curricula import DEFAULT_CURRICULUM
from latkit.search.data.resolution import at_resolution
from latkit.search.gradient.factory import fresh_module
from latkit.search.gradient.settings import SearchSettings
from latkit.search.once_for_all.settings import SupernetSettings
from latkit.search.once_for_all.training.run import fresh_supernet
from latkit.search.supernet.weight_trainer import WeightTrainer, device_module, evaluate
from latkit.search.training.runtime_env import fabric_of
from latkit.search.training.trainer import Checkpointer, run_phase
from latkit.search.training.training_phase import TrainingPhase
from latkit.spaces import Architecture

if TYPE_CHECKING:
    from benchmarks.once_for_all import Bench

SHARED = set(SearchSettings.model_fields) & set(SupernetSettings.model_fields) - {"epochs", "distillation_temperature"}
TIMED_STEPS = 16
RATE = 1e-9


def train_individually(bench: Bench, architecture: Architecture, epochs: int, cpu_s: float = 0.0) -> float:
    """Test accuracy of a sub-network trained from scratch; with `cpu_s`, for as many epochs as take that long."""
    problem, fabric, space = bench.problem(DEFAULT_CURRICULUM, 0, 100), fabric_of(bench.base), bench.space
    data = at_resolution(problem.parts.data, space.subnet(architecture).resolution)
    fields = {name: getattr(bench.base, name) for name in type(bench.base).model_fields if name in SHARED}
    settings = SearchSettings.make(
        **fields, training_epochs=epochs, training_batch_size=bench.base.batch_size, evaluation_epochs=0
    )
    settings = settings.model_copy(update={"training_learning_rate": bench.base.learning_rate})
    phase = TrainingPhase(fresh_module(space.decode(architecture), settings, fabric), data, settings, fabric)
    if cpu_s:
        phase.begin(0)
        begun = time.process_time()
        for step in range(TIMED_STEPS):
            phase.step(step)
        per_epoch = (time.process_time() - begun) / TIMED_STEPS * phase.steps_per_epoch
        return train_individually(bench, architecture, max(1, round(cpu_s / per_epoch)))
    run_phase(phase, 0, Checkpointer(lambda _: None, 1e9, fabric), Silent(), lambda _: None)
    return evaluate(phase.finish(), data, data.test, fabric, settings)


def individual(bench: Bench) -> dict[str, Any]:
    """The first of the ten sub-networks trained alone for as many epochs as the long supernet."""
    epochs, runs = bench.given.epochs, longs(bench)
    numbered = list(enumerate(bench.subnets()))[: bench.given.alone]
    alone = [
        bench.once(f"alone {epochs} epochs {number}", lambda one=one: train_individually(bench, one, epochs))
        for number, one in numbered
    ]
    means = [fmean(run["random"][: len(alone)]) for run in runs]
    rows = [
        {"subnet": number, "alone": one, "supernet": fmean(run["random"][number] for run in runs)}
        for number, one in enumerate(alone)
    ]
    return {
        "alone_difference_points": 100 * (fmean(means) - fmean(alone)),
        "alone_difference_spread": 100 * pstdev(means),
        "alone_accuracy_mean": fmean(alone),
        "alone": rows,
    }


def share(bench: Bench) -> dict[str, Any]:
    """The ten sub-networks trained alone for a tenth of the CPU seconds of a brief supernet."""
    brief = briefly(bench, DEFAULT_CURRICULUM, 0)
    alone = [
        bench.once(
            f"alone share {number}", lambda one=one: train_individually(bench, one, 1, brief["cpu_seconds"] / 10)
        )
        for number, one in enumerate(bench.subnets())
    ]
    return {"alone_share_difference_points": 100 * (fmean(brief["random"]) - fmean(alone))}


def step(bench: Bench) -> dict[str, Any]:
    """The cost of a supernet's step."""
    return dict(bench.once("step", lambda: _measured_step(bench)))


def _measured_step(bench: Bench, blocks: int = 8, batch_size: int = 64) -> dict[str, float]:
    fabric, settings, space = fabric_of(bench.base), bench.base, bench.space
    net = device_module(fresh_supernet(bench.problem(DEFAULT_CURRICULUM, 0, 2)), fabric)
    supernet = WeightTrainer(net, settings, fabric)
    seconds, peaks = [], []

    def batch(one: Architecture) -> tuple[torch.Tensor, torch.Tensor]:
        size = net.resolution(one)
        images = torch.randn(batch_size, space.channels, size, size).contiguous(memory_format=torch.channels_last)
        return images, torch.randint(space.classes, (batch_size,))

    architectures = [*bench.subnets()[:5], space.largest]
    for one in architectures:
        images, targets = batch(one)
        plain = WeightTrainer(device_module(net.subnet(one), fabric), settings, fabric)
        steps = [
            lambda: plain.step(images, targets, RATE),  # noqa: B023 - run in this turn of the loop
            lambda: supernet.step(images, targets, RATE, one),  # noqa: B023
        ]
        best = [float("inf")] * 2
        for _ in range(blocks):
            for kind, each in enumerate(steps):
                begun = time.process_time()
                each()
                best[kind] = min(best[kind], time.process_time() - begun)
        seconds.append(best)
        peaks.append([resting_bytes(t) + cpu_step_bytes(s) for t, s in zip((plain, supernet), steps, strict=True)])
    plain_s, supernet_s = (sum(each[kind] for each in seconds) for kind in range(2))
    largest_bytes = peaks[-1][0]
    return {
        "step_ratio": supernet_s / plain_s,
        "step_ratio_largest": seconds[-1][1] / seconds[-1][0],
        "memory_ratio": max(supernet_bytes for _, supernet_bytes in peaks) / largest_bytes,
    }
