"""Once-for-all: curricula compared at equal cost, sub-networks beside the same trained alone, and the cost of a step.

    python benchmarks/once_for_all.py [--data idx:FOLDER] [--images 4000] [--seconds 60] [--seeds 3]
                                      [--cache FILE] [--only SECTION] [--quick] [--json]

**curricula.** Each curriculum trains the same space for the same CPU seconds of one thread; its epochs follow from the
measured seconds of its steps. Test accuracy of the smallest and of ten random sub-networks, the same ten everywhere:
mean over seeds, and `spread`, the standard deviation of their mean over seeds.

**alone.** The ten sub-networks of the default curriculum's first seed, each trained alone from scratch:
`alone_difference_points` is the supernet's mean accuracy minus theirs in percentage points, for as many epochs as the
supernet had; `alone_share_difference_points` for a tenth of the supernet's CPU seconds each.

**step.** `step_ratio`: CPU seconds of a supernet's step over those of the sampled sub-networks as plain networks, in
alternation, minimums. `memory_ratio`: the largest peak of a supernet's step, with weights and momentum, over that of
the largest network; see `benchmarks/supernet_step.py` for what is counted.

What is in the cache is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # before torch is imported, or its profiler prints messages

import torch

from benchmarks.supernet_step import cpu_step_bytes, resting_bytes
from latkit._io import load_json, write_text
from latkit.cli.console import note, show_facts
from latkit.progress import Silent
from latkit.search.curricula import CURRICULA, DEFAULT_CURRICULUM
from latkit.search.data import DataSplit, load_data, subset
from latkit.search.data.resolution import at_resolution
from latkit.search.gradient.factory import fresh_module
from latkit.search.gradient.settings import SearchSettings
from latkit.search.once_for_all.judging import SubnetJudge
from latkit.search.once_for_all.phase import CurriculumPhase
from latkit.search.once_for_all.problem import SupernetProblem
from latkit.search.once_for_all.run import fresh_supernet, train_supernet
from latkit.search.once_for_all.settings import SupernetSettings
from latkit.search.supernet.weight_trainer import WeightTrainer, device_module, evaluate
from latkit.search.training.runtime_env import fabric_of
from latkit.search.training.trainer import Checkpointer, run_phase
from latkit.search.training.training_phase import TrainingPhase
from latkit.spaces import Architecture
from latkit.spaces.elastic import ElasticSpace, Fixed, Head, Stage

FASHION_MNIST = "idx:/usr/share/datasets/fashion-mnist"
STAGES = (Stage(16, 1, (1, 2), (3, 5, 7), (2, 3, 4)), Stage(32, 2, (1, 2, 3), (3, 5), (2, 3, 4)))
SPACE = ElasticSpace("ofa-micro", (12, 16), Fixed(16, 2), STAGES, Head(96), channels=1)
"""Steps of 5 to 60 ms on one core."""
TIMED_STEPS = 16
TEST_IMAGES = 2000
RATE = 1e-9


@dataclass(frozen=True)
class Bench:
    """The images, and how much is trained."""

    data: DataSplit
    seconds: float
    seeds: int
    names: tuple[str, ...]
    """Of the curricula."""
    cache: Path | None
    base: SupernetSettings

    @cached_property
    def known(self) -> dict[str, Any]:
        """What was run before."""
        return dict(load_json(self.cache, "a cache of results")) if self.cache and self.cache.exists() else {}

    def once(self, key: str, work: Callable[[], Any]) -> Any:
        """The result of some work, from the cache if it was done before."""
        if key not in self.known:
            note(f"{key} ...")
            self.known[key] = work()
            if self.cache:
                write_text(self.cache, json.dumps(self.known, indent=1))
        return self.known[key]

    def settings(self, **changes: object) -> SupernetSettings:
        return self.base.model_copy(update=changes)

    def problem(self, curriculum: str, seed: int, epochs: int) -> SupernetProblem:
        return SupernetProblem(SPACE, self.data, self.settings(seed=seed, epochs=epochs), curriculum)

    def subnets(self) -> list[Architecture]:
        """The same for all curricula and seeds."""
        rng = random.Random(0)
        return [SPACE.sample(rng) for _ in range(10)]


def epochs_of(bench: Bench, curriculum: str) -> int:
    """Epochs that take the CPU seconds of the benchmark, by the seconds of some steps of every stage."""
    stages = CURRICULA.get(curriculum).stages(SPACE, 100)
    problem = bench.problem(curriculum, 0, 100)
    net, costs = fresh_supernet(problem), {}
    for number, stage in enumerate(stages):
        phase = CurriculumPhase(
            problem, device_module(net, fabric_of(bench.base)), stage, number, fabric_of(bench.base)
        )
        phase.begin(0)
        for step in range(TIMED_STEPS):  # which build the modules of most ops
            phase.step(step)
        begun = time.process_time()
        for step in range(TIMED_STEPS, 2 * TIMED_STEPS):
            phase.step(step)
        costs[stage.name] = (time.process_time() - begun) / TIMED_STEPS * phase.steps_per_epoch
    for epochs in range(len(stages), 1000):
        planned = CURRICULA.get(curriculum).stages(SPACE, epochs + 1)
        if sum(costs[stage.name] * stage.epochs for stage in planned) > bench.seconds:
            return epochs
    return 1000


def trained(bench: Bench, curriculum: str, seed: int) -> dict[str, Any]:
    """One training, and its sub-networks' test accuracies."""
    epochs = bench.once(f"epochs {curriculum}", lambda: epochs_of(bench, curriculum))
    problem, fabric = bench.problem(curriculum, seed, epochs), fabric_of(bench.base)
    net = fresh_supernet(problem)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        result = train_supernet(problem, Path(folder) / "net", None, net=net, fabric=fabric)
        cpu_s = time.process_time() - begun
    judge = SubnetJudge(net, problem.parts, problem.settings, fabric)
    random_accuracies = [judge.score(judge.module(one), one, "test") for one in bench.subnets()]
    return {
        "epochs": epochs,
        "cpu_seconds": cpu_s,
        "smallest": result.smallest.test,
        "largest": result.largest.test,
        "random": random_accuracies,
    }


def curricula(bench: Bench) -> dict[str, Any]:
    found = {}
    for name in bench.names:
        runs = [
            bench.once(f"{name} seed {seed}", lambda name=name, seed=seed: trained(bench, name, seed))
            for seed in range(bench.seeds)
        ]
        means = [fmean(run["random"]) for run in runs]
        found[name] = {
            "smallest_accuracy": fmean(run["smallest"] for run in runs),
            "random_accuracy_mean": fmean(means),
            "largest_accuracy": fmean(run["largest"] for run in runs),
            "spread": pstdev(means),
            "smallest_spread": pstdev([run["smallest"] for run in runs]),
            "epochs": runs[0]["epochs"],
            "cpu_seconds": fmean(run["cpu_seconds"] for run in runs),
        }
    return {"curricula": found, "default_curriculum": DEFAULT_CURRICULUM}


def train_alone(bench: Bench, architecture: Architecture, epochs: int, cpu_s: float = 0.0) -> float:
    """Test accuracy of a sub-network trained from scratch; with `cpu_s`, for as many epochs as take that long."""
    problem, fabric = bench.problem(DEFAULT_CURRICULUM, 0, 100), fabric_of(bench.base)
    data = at_resolution(problem.parts.data, SPACE.subnet(architecture).resolution)
    fields = {name: getattr(bench.base, name) for name in type(bench.base).model_fields if name in SHARED}
    settings = SearchSettings.make(
        **fields, training_epochs=epochs, training_batch_size=bench.base.batch_size, evaluation_epochs=0
    )
    settings = settings.model_copy(update={"training_learning_rate": bench.base.learning_rate})
    phase = TrainingPhase(fresh_module(SPACE.decode(architecture), settings, fabric), data, settings, fabric)
    if cpu_s:
        phase.begin(0)
        begun = time.process_time()
        for step in range(TIMED_STEPS):
            phase.step(step)
        per_epoch = (time.process_time() - begun) / TIMED_STEPS * phase.steps_per_epoch
        return train_alone(bench, architecture, max(1, round(cpu_s / per_epoch)))
    run_phase(phase, 0, Checkpointer(lambda _: None, 1e9, fabric), Silent(), lambda _: None)
    return evaluate(phase.finish(), data, data.test, fabric, settings)


SHARED = set(SearchSettings.model_fields) & set(SupernetSettings.model_fields) - {"epochs", "distillation_temperature"}


def alone(bench: Bench) -> dict[str, Any]:
    run = bench.once(f"{DEFAULT_CURRICULUM} seed 0", lambda: trained(bench, DEFAULT_CURRICULUM, 0))
    as_long, as_costly = [], []
    for number, one in enumerate(bench.subnets()):
        as_long.append(bench.once(f"alone {number}", lambda one=one: train_alone(bench, one, run["epochs"])))
        share_s = run["cpu_seconds"] / 10
        as_costly.append(bench.once(f"alone share {number}", lambda one=one, s=share_s: train_alone(bench, one, 1, s)))
    shared = fmean(run["random"])
    return {
        "alone_difference_points": 100 * (shared - fmean(as_long)),
        "alone_share_difference_points": 100 * (shared - fmean(as_costly)),
    }


def step_costs(bench: Bench) -> dict[str, Any]:
    return dict(bench.once("step", lambda: measured_step(bench)))


def measured_step(bench: Bench, blocks: int = 8, batch_size: int = 64) -> dict[str, float]:
    fabric, settings = fabric_of(bench.base), bench.settings()
    net = device_module(fresh_supernet(bench.problem(DEFAULT_CURRICULUM, 0, 1)), fabric)
    supernet = WeightTrainer(net, settings, fabric)
    seconds, peaks = [], []

    def batch(one: Architecture) -> tuple[torch.Tensor, torch.Tensor]:
        size = net.resolution(one)
        images = torch.randn(batch_size, SPACE.channels, size, size).contiguous(memory_format=torch.channels_last)
        return images, torch.randint(SPACE.classes, (batch_size,))

    architectures = [*bench.subnets()[:5], SPACE.largest]
    for one in architectures:
        images, targets = batch(one)
        plain = WeightTrainer(device_module(net.subnet(one), fabric), settings, fabric)
        steps = [
            lambda: plain.step(images, targets, RATE),  # noqa: B023 - run in this turn of the loop
            lambda: supernet.step(images, targets, RATE, one),  # noqa: B023
        ]
        best = [float("inf")] * 2
        for _ in range(blocks):
            for kind, step in enumerate(steps):
                begun = time.process_time()
                step()
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


SECTIONS: dict[str, Callable[[Bench], dict[str, Any]]] = {"step": step_costs, "curricula": curricula, "alone": alone}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=FASHION_MNIST)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--curriculum", action="append", choices=CURRICULA.names(), help="only these")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--only", choices=SECTIONS)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--quick", action="store_true", help="a minute: two seeds of a few seconds on digits")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = load_data("digits" if given.quick else given.data, SPACE.input_shape[-1], SPACE.channels)
    data = replace(
        data,
        train=subset(data.train, spaced(data, "train", given.images)),
        test=subset(data.test, spaced(data, "test", TEST_IMAGES)),
    )
    changes = dict(one.split("=", 1) for one in given.set)
    settings = SupernetSettings.make(accelerator="cpu", threads=1, random_subnets=1, deterministic=False, **changes)
    names = tuple(given.curriculum or CURRICULA.names())
    bench = Bench(
        data, 4 if given.quick else given.seconds, 2 if given.quick else given.seeds, names, given.cache, settings
    )
    found: dict[str, Any] = {"data": data.name, "images": len(data.train.labels), "space": SPACE.name}
    for name, section in SECTIONS.items():
        if given.only in (None, name):
            found |= section(bench)
    if given.json:
        print(json.dumps(found, indent=1))
        return
    for name, row in found.get("curricula", {}).items():
        show_facts(name, row)
    show_facts("once for all", {name: value for name, value in found.items() if not isinstance(value, dict)})


def spaced(data: DataSplit, part: str, count: int) -> torch.Tensor:
    """Evenly spaced indices of some images."""
    total = len(getattr(data, part).labels)
    return torch.linspace(0, total - 1, min(count, total)).round().long()


if __name__ == "__main__":
    main()
