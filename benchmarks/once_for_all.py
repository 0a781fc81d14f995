"""Once-for-all: curricula at equal cost, sub-networks beside the same trained alone, predictor, 20 targets, a step.

    python benchmarks/once_for_all.py [--data idx:FOLDER] [--images 6000] [--seconds 20] [--seeds 3] [--epochs 400]
                                      [--supernet-seed SEED] [--folder FOLDER] [--part NAME ...]
                                      [--target TARGET ...] [--max-seconds S] [--quick] [--json]

**curricula.** Each curriculum trains the same space for the same CPU seconds of one thread; its epochs follow from the
measured seconds of its steps. Test accuracy of the smallest and of ten random sub-networks, the same ten everywhere:
mean over seeds, and `spread`, the standard deviation of their mean over seeds.

**long.** A supernet trained for `--epochs` epochs, for the parts after it; mean over `--long-seeds`.

**equal.** `long_equal`: uniform sampling and the default of brief trainings, each for as many epochs as take the CPU
seconds of the long training; `--long-seeds` of them.

**alone.** The ten sub-networks, or the first `--alone` of them, each trained alone from scratch, with the same images,
augmentation, rates and losses. `alone_difference_points`: the mean accuracy in the long supernets minus theirs in
percentage points, for as many epochs as the supernet had; `alone` has both, one by one.

**share.** `alone_share_difference_points`: that in the first seed of the default curriculum minus that of the ten
trained alone for a tenth of that supernet's CPU seconds each.

**predictor.** `predictor_tau`: Kendall's tau on 200 sub-networks drawn uniformly that the accuracy predictor did not
learn from, from at most 400 evaluated ones; `predictor_tau_front` on those of its own held-out fifth, half of which
are where searches go. `predictor_tau_halves`: tau between evaluations of the 200 on two halves of the validation
images, which says how far a ranking is one of these images: the predictor learns from the same ones.

**specialize.** Sub-networks for latencies spread over the range of every target, 20 in all, with the supernet of
`--supernet-seed`. `fp32_accuracy`, of the weights, and `random_accuracy_mean`, of five random sub-networks of the
latency, are on all test images of the data. `accuracy` is the same, for an int8 target that of the int8 file on the
benchmark's test images. `above_random` and `above_random_by_spread` count the targets where `fp32_accuracy` exceeds the
random ones' mean, and by more than their standard deviation; `within_2_percent` and `within_5_percent` those whose
latency was met, as predicted and as measured.
`specialize_seconds` and `specialize_cpu_seconds` are of search, evaluation and export, without measuring.
`cost_20_ratio` is the CPU seconds of training, predictor and 20 targets over those with one target.

**step.** `step_ratio`: CPU seconds of a supernet's step over those of the sampled sub-networks as plain networks, in
alternation, minimums. `memory_ratio`: the largest peak of a supernet's step, with weights and momentum, over that of
the largest network; see `benchmarks/supernet_step.py` for what is counted. It is below 1 because a supernet's ReLU6
saves its output alone, a plain network's its input too; else the matrices that make small kernels of large ones, and
their momentum, would make it 1.00014.

What is done is in the folder, a workspace, and is not run again; a training goes on where it was interrupted, by
`--max-seconds` or otherwise, and `missing` says what was not finished. Several processes may share the folder, each for
parts or curricula of its own.
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
from typing import Any

os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # before torch is imported, or its profiler prints messages

import torch

from benchmarks import once_for_all_costs, once_for_all_targets, once_for_all_training
from benchmarks.once_for_all_training import OutOfTime
from latkit._io import load_json, write_text
from latkit.cli.console import note, show_facts, show_table
from latkit.search.curricula import CURRICULA, LONG_CURRICULUM
from latkit.search.data import DataSplit, ImageSet, load_data, subset
from latkit.search.once_for_all.settings import SupernetSettings
from latkit.search.once_for_all.training.problem import SupernetProblem
from latkit.spaces import Architecture
from latkit.spaces.elastic import ElasticSpace, Fixed, Head, Stage
from latkit.workspace import Workspace

FASHION_MNIST = "idx:/usr/share/datasets/fashion-mnist"
STAGES = (Stage(16, 1, (1, 2), (3, 5, 7), (2, 3, 4)), Stage(32, 2, (1, 2, 3), (3, 5), (2, 3, 4)))
SPACE = ElasticSpace("ofa-micro", (12, 16), Fixed(16, 2), STAGES, Head(96), channels=1)
"""Steps of 5 to 60 ms on one core."""
TEST_IMAGES = 4000


@dataclass(frozen=True)
class Bench:
    """The images, and how much is trained."""

    given: argparse.Namespace
    data: DataSplit
    all_test: ImageSet
    """All test images of the data."""
    workspace: Workspace
    base: SupernetSettings
    deadline: float = float("inf")
    """Of the monotonic clock: nothing is begun after it."""
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
            self.check_time(key)
            note(f"{key} ...")
            known = self._keep(key, work())
        return known[key]

    def check_time(self, what: str) -> None:
        """Raises OutOfTime, which names what would have been next."""
        if time.monotonic() > self.deadline:
            raise OutOfTime(what)

    def _keep(self, key: str, result: Any) -> dict[str, Any]:
        with self.cache.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = {**self.known(), key: result}
            write_text(self.cache, json.dumps(known, indent=1))
        return known

    def add_seconds(self, name: str, cpu_s: float) -> float:
        """The CPU seconds of a training so far, over all runs that had a part of it."""
        key = f"seconds {name}"
        return float(self._keep(key, self.known().get(key, 0.0) + cpu_s)[key])

    def problem(self, curriculum: str, seed: int, epochs: int) -> SupernetProblem:
        settings = self.base.model_copy(update={"seed": seed, "epochs": epochs})
        return SupernetProblem(SPACE, self.data, settings, curriculum)

    def subnets(self) -> list[Architecture]:
        """The same for all curricula and seeds."""
        rng = random.Random(0)
        return [SPACE.sample(rng) for _ in range(10)]

    def supernet_name(self, seed: int) -> str:
        """A long training's folder."""
        return f"{self.given.long_curriculum}-long" + (f"-{seed}" if seed else "")

    @property
    def specialized(self) -> str:
        """The supernet that the predictor learns from and the targets get."""
        return self.supernet_name(self.given.supernet_seed)


PARTS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "step": once_for_all_costs.step,
    "curricula": once_for_all_training.curricula,
    "long": once_for_all_training.long_row,
    "equal": once_for_all_training.equal_rows,
    "alone": once_for_all_costs.individual,
    "share": once_for_all_costs.share,
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
    parser.add_argument("--epochs", type=int, default=400, help="of the long training, and of networks alone")
    parser.add_argument("--long-curriculum", choices=CURRICULA.names(), default=LONG_CURRICULUM)
    parser.add_argument("--long-seeds", type=int, default=1, help="of the long training")
    parser.add_argument("--alone", type=int, default=10, help="sub-networks that are trained alone")
    parser.add_argument("--supernet-seed", type=int, default=0, help="of the long training that is specialized")
    parser.add_argument("--curriculum", action="append", choices=CURRICULA.names(), help="only these")
    parser.add_argument("--evaluations", type=int, default=400, help="sub-networks that the predictor has")
    parser.add_argument("--held-out", type=int, default=200)
    parser.add_argument("--target", action="append", default=[], help="by default, ONNX Runtime in fp32 and int8")
    parser.add_argument("--latencies", type=int, default=20, help="of all targets together")
    parser.add_argument("--no-measure", action="store_true", help="leave out measured latencies, for a busy machine")
    parser.add_argument("--folder", type=Path, default=Path("build/once-for-all"), help="a workspace for what is made")
    parser.add_argument("--part", action="append", choices=PARTS, help="only these; repeat")
    parser.add_argument("--max-seconds", type=float, default=float("inf"), help="begin nothing afterwards")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--quick", action="store_true", help="two seeds of a few seconds on digits, 4 latencies")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.quick:
        given.data, given.seconds, given.seeds, given.epochs = "digits", 4, 2, 4
        given.evaluations, given.held_out, given.latencies = 40, 20, 4
        given.folder = given.folder / "quick"
    return given


def main() -> None:
    given = parsed()
    torch.set_num_threads(1)
    data = load_data(given.data, SPACE.input_shape[-1], SPACE.channels)
    all_test = data.test
    data = replace(
        data,
        train=subset(data.train, spaced(data, "train", given.images)),
        test=subset(data.test, spaced(data, "test", TEST_IMAGES)),
    )
    changes = dict(one.split("=", 1) for one in given.set)
    # a third judges: few images would hide what the predictor can tell
    changes = {"validation_share": "0.3333", "learning_rate": "0.15", **changes}
    settings = SupernetSettings.make(accelerator="cpu", threads=1, random_subnets=1, deterministic=False, **changes)
    deadline = time.monotonic() + given.max_seconds
    bench = Bench(given, data, all_test, Workspace.init(given.folder), settings, deadline)
    found: dict[str, Any] = {"data": data.name, "images": len(data.train.labels), "space": SPACE.name}
    found["missing"] = []
    for name, part in PARTS.items():
        if name in (given.part or PARTS):
            try:
                found |= part(bench)
            except OutOfTime as error:
                found["missing"].append(f"{name}: {error}")
    if given.json:
        print(json.dumps(found, indent=1))
        return
    for name, row in found.get("curricula", {}).items():
        show_facts(name, row)
    show_facts("long", found.get("long", {}))
    for name, row in found.get("long_equal", {}).items():
        show_facts(f"{name}, as costly as the long one", row)
    show_table("alone", found.get("alone", []))
    show_table("targets", found.get("targets", []))
    show_table("missing", [{"part": one} for one in found["missing"]])
    show_facts("once for all", {name: value for name, value in found.items() if not isinstance(value, dict | list)})


def spaced(data: DataSplit, part: str, count: int) -> torch.Tensor:
    """Evenly spaced indices of some images."""
    total = len(getattr(data, part).labels)
    return torch.linspace(0, total - 1, min(count, total)).round().long()


if __name__ == "__main__":
    main()
