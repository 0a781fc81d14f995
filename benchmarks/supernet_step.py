"""Cost of a supernet's step relative to a step of a plain network of the sampled shapes: time and memory.

    python benchmarks/supernet_step.py [--space proxyless-mobile] [--resolution 112] [--batch 8] [--memory-batch 128]
                                       [--pairs 3] [--blocks 12] [--threads 1] [--accelerator cpu]
                                       [--precision 32-true] [--checkpointing] [--json]

**Time.** Pairs of architectures are drawn. For each architecture a plain network is built, with the same weights, and
these are timed in alternation, in random order: a step of the plain network; the supernet's weight step on the same
architecture; a complete architecture step (draw, both paths, gates' gradients, logits updated and renormalized) that
opens it and closes the other of its pair. Each is timed right after the step that it follows in practice: the plain
network's after another of its own, the supernet's after a weight step on another path, so that its caches are no warmer
than in a search. All train with the same `WeightTrainer` or learner that a search uses. The minimum of every step is
taken (noise is one-sided); a ratio is the sum of the minimums over the plain networks' sum. With one thread on a CPU,
it is the process's CPU time, which other processes disturb least; otherwise wall time.

**Memory.** The peak of one step: weights, momentum and batch norm statistics of the *whole* supernet, every
candidate's, plus the maximum that the step had allocated at once above these (activations, gradients, workspaces). On
CUDA as its allocator counts; on a CPU by torch's profiler, which records every allocation: exact and the same in every
run, unlike the process's resident memory. Allocations inside libraries are in neither. `memory_ratio` is the larger
of the two kinds' peak over the plain network's; `step_memory_ratio` leaves out what stays between steps.
`memory_bytes_by_candidates` is that peak for layers of 2 and of 12 candidates on paths of the same shapes: it grows by
the weights and momentum of ten more candidates; `step_bytes_by_candidates`, without these, must not grow.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # before torch is imported, or its profiler prints messages

import torch
from lightning_fabric import Fabric
from torch import Tensor

from latkit.cli.console import show_facts
from latkit.nn import build_module
from latkit.ops import make_op
from latkit.search.data import Batch
from latkit.search.gradient.gates import BinaryGates, Draw
from latkit.search.gradient.learners import ArchitectureRate, GradientLearner
from latkit.search.gradient.settings import SearchSettings
from latkit.search.objectives.architecture_objective import ArchitectureObjective
from latkit.search.objectives.objective import AugmentedLagrangian
from latkit.search.supernet.distribution import PathDistribution
from latkit.search.supernet.supernet import Paths, Supernet
from latkit.search.supernet.weight_trainer import WeightTrainer, device_module
from latkit.search.tasks.classification import CLASSIFICATION
from latkit.spaces import Architecture, ChainSpace, Layer, Space, as_chain, load
from latkit.tables import LatencyTable, macs_table

Step = Callable[[Tensor, Tensor], object]
"""Takes images and labels."""

KERNELS, EXPANSIONS = (5, 3, 7), (6, 3, 4, 5)
"""Of the twelve candidates; the first two are of kernel 5 and expansion 6, and of kernel 3 and expansion 6."""

AIMS = {
    "weight_step_ratio": "at most 1.15; the authors' code 1.29",
    "architecture_step_ratio": "at most 1.35; the authors' code 1.44",
    "memory_ratio": "at most 1.15",
}

RATE = 1e-9
"""A step this small leaves the logits unchanged: every repetition draws alike."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="proxyless-mobile")
    parser.add_argument("--resolution", type=int, default=112)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--memory-batch", type=int, default=128)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--blocks", "--turns", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    space = load(given.space, resolution=given.resolution)
    settings = SearchSettings.make(precision=given.precision, checkpointing=given.checkpointing)
    fabric = Fabric(accelerator=given.accelerator, devices=1, precision=given.precision)
    figures = {
        **timed(Bench(fabric, settings, given.batch), space, given.pairs, given.blocks),
        **remembered(Bench(fabric, settings, given.memory_batch), space),
    }
    setting = (
        f"{space.name}, {given.resolution} px, batch {given.batch} for time and {given.memory_batch} for memory, "
        f"{given.precision}, {fabric.device}"
    )
    others = os.getloadavg()[0]
    facts = {name: value for name, value in figures.items() if not isinstance(value, dict)}
    show_facts(f"{setting}, load {others:.1f}", {f"{n} ({AIMS[n]})" if n in AIMS else n: v for n, v in facts.items()})
    for name, row in figures.items():
        if isinstance(row, dict):
            show_facts(name, {f"{count} candidates": value for count, value in row.items()})
    if given.json:
        print(json.dumps({**figures, "setting": setting, "load": others}))


@dataclass(frozen=True)
class Given(BinaryGates):
    """Draws as the paper's rule does, which takes its time, and runs the given paths."""

    opened: Architecture = ()
    closed: Architecture = ()

    def draw(self, distribution: PathDistribution, progress: float, generator: torch.Generator) -> Draw:
        drawn = super().draw(distribution, progress, generator)
        indices = torch.tensor([self.opened, self.closed]).T
        paths = Paths(tuple((i,) for i in self.opened), tuple((i,) for i in self.closed), drawn.paths.gates)
        return replace(drawn, paths=paths, indices=indices)


class Bench:
    """The steps that are compared, on one device with one batch size."""

    def __init__(self, fabric: Fabric, settings: SearchSettings, batch: int) -> None:
        self.fabric, self.settings, self.batch_size = fabric, settings, batch
        self.generator = torch.Generator().manual_seed(0)

    def batch(self, space: Space, count: int) -> Batch:
        """Random images and labels."""
        images = torch.randn(count, *space.input_shape, generator=self.generator)
        labels = torch.randint(space.output_shape[0], (count,), generator=self.generator)
        images = images.to(self.fabric.device, memory_format=torch.channels_last)
        return images, labels.to(self.fabric.device)

    def _wait(self) -> None:
        if self.fabric.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds(self, step: Step, images: Tensor, labels: Tensor) -> float:
        """Time of one step."""
        on_cpu = self.fabric.device.type == "cpu"
        clock = time.process_time if on_cpu and torch.get_num_threads() == 1 else time.perf_counter
        self._wait()
        begun = clock()
        step(images, labels)
        self._wait()
        return clock() - begun

    def step_bytes(self, step: Step, space: Space) -> int:
        """The maximum that a step has allocated at once, above the memory in use before it."""
        step(*self.batch(space, 2))  # momentum comes with the first step, and stays
        batch = self.batch(space, self.batch_size)
        if self.fabric.device.type != "cuda":
            return cpu_step_bytes(lambda: step(*batch))
        self._wait()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step(*batch)
        self._wait()
        return torch.cuda.max_memory_allocated() - before


class SearchBench:
    """A supernet in training, and plain networks for comparison."""

    def __init__(self, bench: Bench, space: Space) -> None:
        self.bench, self.space = bench, space
        self.supernet = device_module(Supernet(space, bench.settings.checkpointing), bench.fabric)
        self.trainer = WeightTrainer(self.supernet, bench.settings, bench.fabric)
        rows = [[macs * 1e-9 for macs in row] for row in macs_table(space).rows()]
        table = LatencyTable.from_seconds(space.name, space.key, rows, 1e-6)
        self.arch_objective = ArchitectureObjective(
            PathDistribution(space), table, AugmentedLagrangian(table.slowest() / 2, rate=RATE)
        )

    def weight_step(self, opened: Architecture) -> Step:
        return lambda images, labels: self.trainer.step(images, labels, RATE, Paths.single(opened))

    def architecture_step(self, opened: Architecture, closed: Architecture) -> Step:
        rule = Given(opened=opened, closed=closed)
        learner = GradientLearner(
            self.supernet, self.arch_objective, rule, ArchitectureRate(RATE), CLASSIFICATION.loss, self.bench.fabric
        )
        return lambda images, labels: learner.step(images, labels, self.bench.generator)

    def plain(self, architecture: Architecture) -> WeightTrainer:
        """A trainer of a plain network of that architecture, with the supernet's weights."""
        module = build_module(self.space.decode(architecture))
        module.load_state_dict(self.supernet.path_module(architecture).state_dict())
        return WeightTrainer(device_module(module, self.bench.fabric), self.bench.settings, self.bench.fabric)


def plain_step(trainer: WeightTrainer) -> Step:
    return lambda images, labels: trainer.step(images, labels, RATE)


def cpu_step_bytes(step: Callable[[], object]) -> int:
    """The maximum that a step has allocated at once on the CPU, by the profiler's record of every allocation."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    results = profile.profiler.kineto_results
    changes = sorted((e.start_ns(), e.nbytes()) for e in results.events() if e.name() == "[memory]")
    live = peak = 0
    for _, change in changes:
        live += change
        peak = max(peak, live)
    return peak


def resting_bytes(trainer: WeightTrainer) -> int:
    """Weights, buffers and optimizer state, with momentum for every weight, as after each has been sampled."""
    weights = sum(p.nbytes for p in trainer.module.parameters())
    return 2 * weights + sum(buffer.nbytes for buffer in trainer.module.buffers())


def timed(bench: Bench, space: Space, pairs: int, blocks: int) -> dict[str, float]:
    """Ratios of the minimums, and the medians of the repetitions' ratios."""
    rng = random.Random(0)
    search_bench = SearchBench(bench, space)
    subjects = [steps_of(search_bench, a, b) for a, b in drawn_pairs(space, pairs, rng)]
    batch = bench.batch(space, bench.batch_size)
    seconds: list[list[list[float]]] = [[[] for _ in range(3)] for _ in subjects]
    for _ in range(blocks):
        for number in rng.sample(range(len(subjects)), len(subjects)):
            for kind in rng.sample(range(3), 3):
                before, step = subjects[number][kind]
                before(*batch)
                seconds[number][kind].append(bench.seconds(step, *batch))
    plain_s, weight_s, architecture_s = (sum(min(each[kind]) for each in seconds) for kind in range(3))
    return {
        "weight_step_ratio": weight_s / plain_s,
        "architecture_step_ratio": architecture_s / plain_s,
        "weight_step_ratio_median": median_ratio(seconds, 1),
        "architecture_step_ratio_median": median_ratio(seconds, 2),
        "plain_step_seconds": plain_s / len(subjects),
    }


def steps_of(search_bench: SearchBench, opened: Architecture, closed: Architecture) -> list[tuple[Step, Step]]:
    """The three kinds of step, each with its predecessor, which determines the content of the caches."""
    plain = plain_step(search_bench.plain(opened))
    other = search_bench.weight_step(closed)
    return [
        (plain, plain),
        (other, search_bench.weight_step(opened)),
        (other, search_bench.architecture_step(opened, closed)),
    ]


def median_ratio(seconds: Sequence[Sequence[Sequence[float]]], kind: int) -> float:
    """The median, over the repetitions, of each kind's time over the plain network's."""
    sums = [[sum(block) for block in zip(*(each[k] for each in seconds), strict=True)] for k in (0, kind)]
    return float(median(other / plain for plain, other in zip(*sums, strict=True)))


def drawn_pairs(space: Space, count: int, rng: random.Random) -> Iterator[tuple[Architecture, Architecture]]:
    """Pairs of architectures that differ everywhere, each in both orders: what is opened, what is closed."""
    for _ in range(count):
        both = [rng.sample(range(len(choice.options)), 2) for choice in space.choices]
        first, second = zip(*both, strict=True)
        yield first, second
        yield second, first


def remembered(bench: Bench, space: Space) -> dict[str, float | dict[str, int]]:
    """Peaks of memory: of the space itself and a plain network, and of spaces with few and many candidates."""
    opened, closed = next(drawn_pairs(space, 1, random.Random(0)))
    search_bench = SearchBench(bench, space)
    resting, step = memory(search_bench, opened, closed)
    plain = search_bench.plain(opened)
    plain_step_bytes = bench.step_bytes(plain_step(plain), space)
    first_two: Architecture = tuple(number % 2 for number in range(len(space.choices)))
    others: Architecture = tuple(1 - index for index in first_two)
    by_count = {
        str(count): memory(SearchBench(bench, with_candidates(space, count)), first_two, others) for count in (2, 12)
    }
    return {
        "memory_ratio": (resting + step) / (resting_bytes(plain) + plain_step_bytes),
        "step_memory_ratio": step / plain_step_bytes,
        "memory_bytes": resting + step,
        "memory_bytes_by_candidates": {count: sum(both) for count, both in by_count.items()},
        "step_bytes_by_candidates": {count: step for count, (_, step) in by_count.items()},
    }


def memory(search_bench: SearchBench, opened: Architecture, closed: Architecture) -> tuple[int, int]:
    """Bytes that stay between steps, and the peak of a step above them: of weight and architecture steps."""
    steps = [search_bench.weight_step(opened), search_bench.architecture_step(opened, closed)]
    return resting_bytes(search_bench.trainer), max(
        search_bench.bench.step_bytes(step, search_bench.space) for step in steps
    )


def with_candidates(space: Space, count: int) -> Space:
    """The space with that many candidates, all MBConv, in every layer that has a choice."""
    layers = []
    for layer in as_chain(space, "this benchmark").layers:
        if layer.is_choice:
            first = layer.candidates[0]
            ops = [
                make_op("mbconv", first.input_shape, **{**dict(first.attributes), "kernel": k, "expansion": e})
                for e in EXPANSIONS
                for k in KERNELS
            ]
            layer = Layer(layer.name, tuple(ops[:count]))
        layers.append(layer)
    return ChainSpace(f"{space.name}-{count}", tuple(layers))


if __name__ == "__main__":
    main()
