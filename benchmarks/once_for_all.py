"""Once-for-all: curricula at equal cost, sub-networks beside the same trained alone, predictor, 20 targets, a step.

    python benchmarks/once_for_all.py [--data idx:FOLDER] [--images 6000] [--seconds 20] [--seeds 3]
                                      [--folder FOLDER] [--part NAME ...] [--target TARGET ...] [--quick] [--json]

**curricula.** Each curriculum trains the same space for the same CPU seconds of one thread; its epochs follow from the
measured seconds of its steps. Test accuracy of the smallest and of ten random sub-networks, the same ten everywhere:
mean over seeds, and `spread`, the standard deviation of their mean over seeds.

**alone.** The ten sub-networks of the default curriculum's first seed, each trained alone from scratch:
`alone_difference_points` is the supernet's mean accuracy minus theirs in percentage points, for as many epochs as the
supernet had; `alone_share_difference_points` for a tenth of the supernet's CPU seconds each.

**predictor.** `predictor_tau`: Kendall's tau on 200 sub-networks drawn uniformly that the accuracy predictor did not
learn from, from at most 400 evaluated ones; `predictor_tau_front` on those of its own held-out fifth, half of which
are where searches go.

**specialize.** Sub-networks for latencies spread over the range of every target, 20 in all, with the supernet of the
part before. `accuracy` and `random_accuracy_mean`, of five random sub-networks of the latency, are on the test images.
`accuracy` of an int8 target is that of the int8 file, and `fp32_accuracy`, to be compared with the random ones, of its
weights.
`specialize_seconds` and `specialize_cpu_seconds` are of search, evaluation and export, without measuring.
`cost_20_ratio` is the CPU seconds of training, predictor and 20 targets over those with one target.

**step.** `step_ratio`: CPU seconds of a supernet's step over those of the sampled sub-networks as plain networks, in
alternation, minimums. `memory_ratio`: the largest peak of a supernet's step, with weights and momentum, over that of
the largest network; see `benchmarks/supernet_step.py` for what is counted. What it is above 1 are the matrices that
make small kernels of large ones, and their momentum.

What is done is in the folder, a workspace, and is not run again; a training goes on where it was interrupted. Several
processes may share the folder, each for parts or curricula of its own.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # before torch is imported, or its profiler prints messages

import torch

from benchmarks import once_for_all_costs, once_for_all_targets
from latkit._io import load_json, write_text
from latkit.cli.console import note, show_facts, show_table
from latkit.search.curricula import CURRICULA, DEFAULT_CURRICULUM
from latkit.search.data import DataSplit, load_data, subset
from latkit.search.once_for_all.judging import SubnetJudge
from latkit.search.once_for_all.phase import CurriculumPhase
from latkit.search.once_for_all.problem import SupernetProblem
from latkit.search.once_for_all.run import fresh_supernet, train_supernet
from latkit.search.once_for_all.settings import SupernetSettings
from latkit.search.supernet.weight_trainer import device_module
from latkit.search.training.runtime_env import fabric_of
from latkit.spaces import Architecture
from latkit.spaces.elastic import ElasticSpace, Fixed, Head, Stage
from latkit.workspace import Workspace

FASHION_MNIST = "idx:/usr/share/datasets/fashion-mnist"
STAGES = (Stage(16, 1, (1, 2), (3, 5, 7), (2, 3, 4)), Stage(32, 2, (1, 2, 3), (3, 5), (2, 3, 4)))
SPACE = ElasticSpace("ofa-micro", (12, 16), Fixed(16, 2), STAGES, Head(96), channels=1)
"""Steps of 5 to 60 ms on one core."""
TIMED_STEPS, TIMED_BLOCKS = 24, 4
TEST_IMAGES = 4000
MAX_EPOCHS = 1000


@dataclass(frozen=True)
class Bench:
    """The images, and how much is trained."""

    given: argparse.Namespace
    data: DataSplit
    workspace: Workspace
    base: SupernetSettings
    space: ElasticSpace = SPACE

    @property
    def cache(self) -> Path:
        return self.workspace.root / "results.json"

    def known(self) -> dict[str, Any]:
        """What was run before."""
        return dict(load_json(self.cache, "a cache of results")) if self.cache.exists() else {}

    def once(self, key: str, work: Callable[[], Any]) -> Any:
        """The result of some work, from the cache if it was done before: also by another process, for other parts."""
        known = self.known()
        if key not in known:
            note(f"{key} ...")
            result = work()
            with self.cache.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                known = {**self.known(), key: result}
                write_text(self.cache, json.dumps(known, indent=1))
        return known[key]

    def problem(self, curriculum: str, seed: int, epochs: int) -> SupernetProblem:
        settings = self.base.model_copy(update={"seed": seed, "epochs": epochs})
        return SupernetProblem(SPACE, self.data, settings, curriculum)

    def subnets(self) -> list[Architecture]:
        """The same for all curricula and seeds."""
        rng = random.Random(0)
        return [SPACE.sample(rng) for _ in range(10)]

    def supernet(self) -> dict[str, Any]:
        """The first seed of the default curriculum."""
        return self.trained(DEFAULT_CURRICULUM, 0)

    def supernet_name(self, curriculum: str = DEFAULT_CURRICULUM, seed: int = 0) -> str:
        return f"{curriculum}-{seed}"

    def trained(self, curriculum: str, seed: int) -> dict[str, Any]:
        """One training, and its sub-networks' test accuracies."""
        return dict(self.once(f"{curriculum} seed {seed}", lambda: _trained(self, curriculum, seed)))


def epochs_of(bench: Bench, curriculum: str) -> int:
    """Epochs that take the CPU seconds of the benchmark, by the seconds of some steps of every stage."""
    stages = CURRICULA.get(curriculum).stages(SPACE, 100)
    problem, fabric = bench.problem(curriculum, 0, 100), fabric_of(bench.base)
    net, costs = fresh_supernet(problem), {}
    for number, stage in enumerate(stages):
        phase = CurriculumPhase(problem, device_module(net, fabric), stage, number, fabric)
        costs[stage.name] = step_seconds(phase) * phase.steps_per_epoch
    for epochs in range(len(stages), MAX_EPOCHS):
        planned = CURRICULA.get(curriculum).stages(SPACE, epochs + 1)
        if sum(costs[stage.name] * stage.epochs for stage in planned) > bench.given.seconds:
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


def _trained(bench: Bench, curriculum: str, seed: int) -> dict[str, Any]:
    epochs = bench.once(f"epochs {curriculum}", lambda: epochs_of(bench, curriculum))
    problem, fabric = bench.problem(curriculum, seed, epochs), fabric_of(bench.base)
    folder = bench.workspace.search_dir(bench.supernet_name(curriculum, seed))
    net = fresh_supernet(problem)
    begun = time.process_time()
    result = train_supernet(problem, folder, None, folder.exists(), net, fabric)
    cpu_s = time.process_time() - begun
    judge = SubnetJudge(net, problem.parts, problem.settings, fabric)
    return {
        "epochs": epochs,
        "cpu_seconds": cpu_s,
        "smallest": result.smallest.test,
        "largest": result.largest.test,
        "random": [judge.score(judge.module(one), one, "test") for one in bench.subnets()],
    }


def curricula(bench: Bench) -> dict[str, Any]:
    names, found = bench.given.curriculum or CURRICULA.names(), {}
    every = [(seed, name) for seed in range(bench.given.seeds) for name in names]
    runs = {name: [] for name in names}
    for seed, name in every:  # side by side: what disturbs the machine disturbs all
        runs[name].append(bench.trained(name, seed))
    for name, of_name in runs.items():
        means = [fmean(run["random"]) for run in of_name]
        found[name] = {
            "smallest_accuracy": fmean(run["smallest"] for run in of_name),
            "random_accuracy_mean": fmean(means),
            "largest_accuracy": fmean(run["largest"] for run in of_name),
            "spread": pstdev(means),
            "smallest_spread": pstdev([run["smallest"] for run in of_name]),
            "epochs": of_name[0]["epochs"],
            "cpu_seconds": fmean(run["cpu_seconds"] for run in of_name),
        }
    return {"curricula": found, "default_curriculum": DEFAULT_CURRICULUM}


PARTS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "step": once_for_all_costs.step,
    "curricula": curricula,
    "alone": once_for_all_costs.individual,
    "predictor": once_for_all_targets.predictor,
    "collect": once_for_all_targets.collect,
    "specialize": once_for_all_targets.specialize,
}


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=FASHION_MNIST)
    parser.add_argument("--images", type=int, default=6000, help="a third of them only judge")
    parser.add_argument("--seconds", type=float, default=20, help="CPU seconds of each training")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--curriculum", action="append", choices=CURRICULA.names(), help="only these")
    parser.add_argument("--evaluations", type=int, default=400, help="sub-networks that the predictor has")
    parser.add_argument("--held-out", type=int, default=200)
    parser.add_argument("--target", action="append", default=[], help="by default, ONNX Runtime in fp32 and int8")
    parser.add_argument("--latencies", type=int, default=20, help="of all targets together")
    parser.add_argument("--folder", type=Path, default=Path("build/once-for-all"), help="a workspace for what is made")
    parser.add_argument("--part", action="append", choices=PARTS, help="only these; repeat")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--quick", action="store_true", help="two seeds of a few seconds on digits, 4 latencies")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.quick:
        given.data, given.seconds, given.seeds = "digits", 4, 2
        given.evaluations, given.held_out, given.latencies = 40, 20, 4
        given.folder = given.folder / "quick"
    return given


def main() -> None:
    given = parsed()
    torch.set_num_threads(1)
    data = load_data(given.data, SPACE.input_shape[-1], SPACE.channels)
    data = replace(
        data,
        train=subset(data.train, spaced(data, "train", given.images)),
        test=subset(data.test, spaced(data, "test", TEST_IMAGES)),
    )
    changes = dict(one.split("=", 1) for one in given.set)
    # a third judges: few images would hide what the predictor can tell
    changes = {"validation_share": "0.3333", "learning_rate": "0.15", **changes}
    settings = SupernetSettings.make(accelerator="cpu", threads=1, random_subnets=1, deterministic=False, **changes)
    bench = Bench(given, data, Workspace.init(given.folder), settings)
    found: dict[str, Any] = {"data": data.name, "images": len(data.train.labels), "space": SPACE.name}
    for name, part in PARTS.items():
        if name in (given.part or PARTS):
            found |= part(bench)
    if given.json:
        print(json.dumps(found, indent=1))
        return
    for name, row in found.get("curricula", {}).items():
        show_facts(name, row)
    show_table("targets", found.get("targets", []))
    show_facts("once for all", {name: value for name, value in found.items() if not isinstance(value, dict | list)})


def spaced(data: DataSplit, part: str, count: int) -> torch.Tensor:
    """Evenly spaced indices of some images."""
    total = len(getattr(data, part).labels)
    return torch.linspace(0, total - 1, min(count, total)).round().long()


if __name__ == "__main__":
    main()
