"""Is the result of a search better than networks obtained without one? On Fashion-MNIST, at equal latency and training.

    python benchmarks/search_quality.py --workspace DIR [--data idx:FOLDER] [--channels 1] [--resolution 16]
                                        [--width 0.25] [--runtime tflite] [--seeds 0 1 2]
                                        [--targets-ms MS MS] [--processes 1] [--quick] [--json]

For each seed and each latency target: one search of `proxyless-tiny`, the network it derives, five random networks of
the same latency, and MobileNetV2 scaled to it, all trained from scratch in the same way on the same images. The target
is this machine, which is registered, measured and fitted in the workspace if that was not done before. Latencies are
measured while nothing trains. Started again with the same arguments after an interruption, it continues. Other images
of ten classes: `--data FILE.npz --channels 3` for CIFAR-10, for example; a workspace is for one kind of images.

The last line of `--json` has accuracies as shares of the test images, 0 to 1, and seconds of one thread. Without
`--targets-ms`, the targets are MobileNetV2's latencies at its third and its sixth width, of those that differ.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

from latkit._io import write_text
from latkit.cli.console import show_table
from latkit.cli.progress_bars import ConsoleProgress
from latkit.devices import Local, add_device
from latkit.errors import LatkitError
from latkit.evaluation.validation import MeasuredNetwork, measure_network, measured_seconds
from latkit.latency_models import LatencyModel
from latkit.layout.folders import MEASURED_FILE
from latkit.ops import Network
from latkit.profiling import Collection
from latkit.progress import Callbacks
from latkit.search import DataSplit, Problem, SearchResult, SearchSettings, load_data, run_search
from latkit.search.baselines import BaselineRequest, Baselines, ladder, random_architectures, scaled_mobilenet
from latkit.search.baselines.run import check_drawn, run_baselines
from latkit.search.baselines.sampling import at_target
from latkit.search.data import ImageSet, subset
from latkit.search.records.base import load_record
from latkit.search.records.result import FILES
from latkit.spaces import Space, load
from latkit.tables import LatencyTable
from latkit.targets import Target
from latkit.timing import Workload
from latkit.workspace import MeasureOptions, Workspace, fit_workloads
from latkit.workspace.models.fitting import pinned_as

HERE = "here"
CALIBRATION_NETWORKS = 10
"""Of each target's latency, on which the model is calibrated."""

RUNGS = (2, 5)
"""The targets: MobileNetV2's latencies at these of its widths, counted from the narrowest, 0."""

FASHION_MNIST = "/usr/share/datasets/fashion-mnist"

PUBLISHED: dict[str, Any] = {
    "warmup_epochs": 4,
    "epochs": 6,
    "architecture_share": 0.2,
    "weight_learning_rate": 0.1,
    "repair_candidates": 32,
    "repair_batches": 16,
    "training_epochs": 5,
    "training_learning_rate": 0.1,
    "evaluation_epochs": 0,
    "export_tflite": False,
}
"""The settings of the published run."""

QUICK = {"warmup_epochs": 1, "epochs": 1, "training_epochs": 1}
QUICK_IMAGES = 512


@dataclass(frozen=True, slots=True)
class Job:
    """One search with its baselines: all inputs of its process."""

    workspace: Path
    runtime: str
    data: str
    images: int
    space: Space
    seed: int
    target_s: float
    randoms: int
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of its folder under `search/`."""
        return f"quality-{self.runtime}-seed{self.seed}-{1e6 * self.target_s:.0f}us"

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self.workspace / "search" / self.name

    @property
    def networks(self) -> int:
        """How many it trains."""
        return self.randoms + 2


def main() -> None:
    given = arguments()
    workspace, target = Workspace.init(given.workspace), Target(HERE, given.runtime)
    if not (workspace.devices_dir / f"{HERE}.toml").exists():
        add_device(workspace.devices_dir, HERE, Local(), python=sys.executable)
    space = load("proxyless-tiny", resolution=given.resolution, width=given.width, channels=given.channels)
    images_of(given.data, space, given.images)  # an error here costs no minute of measuring
    targets_s = [1e-3 * ms for ms in given.targets_ms] if given.targets_ms else []
    targets_s = measured_target(workspace, target, space, targets_s)
    settings = {**PUBLISHED, **(QUICK if given.quick else {})}
    jobs = [
        Job(
            given.workspace,
            given.runtime,
            given.data,
            given.images,
            space,
            seed,
            target_s,
            given.randoms,
            {**settings, **given.set, "seed": seed, "threads": 1, "accelerator": "cpu"},
        )
        for seed in given.seeds
        for target_s in targets_s
    ]
    check_baselines_exist(workspace, target, jobs)
    run_all(jobs, given.processes)
    with ConsoleProgress() as progress:
        rows = [row(job, measured(workspace, target, job, progress)) for job in jobs]
    show(rows)
    if given.json:
        print(json.dumps({"runs": [{name: one[name] for name in PRINTED} for one in rows]}))


def arguments() -> argparse.Namespace:
    """The command-line arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, required=True, help="made where there is none")
    parser.add_argument("--data", default=f"idx:{FASHION_MNIST}", help="images of ten classes")
    parser.add_argument("--runtime", default="tflite")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--targets-ms", type=float, nargs="+")
    parser.add_argument("--randoms", type=int, default=5, help="random networks per search")
    parser.add_argument("--images", type=int, default=60_000, help="training images, of those that there are")
    parser.add_argument("--resolution", type=int, default=16, help="that images are brought to")
    parser.add_argument("--channels", type=int, choices=(1, 3), default=1, help="of the images")
    parser.add_argument("--width", type=float, default=0.25, help="the space's width multiplier")
    parser.add_argument("--set", type=assignment, action="append", default=[], metavar="NAME=VALUE", help="a setting")
    parser.add_argument("--processes", type=int, default=1, help="jobs side by side, a thread each")
    parser.add_argument("--quick", action="store_true", help="a few hundred images, to try the script")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    given.set = dict(given.set)
    if given.randoms < 1:
        parser.error(f"expected at least one random network to compare with, but found {given.randoms}")
    if given.quick:
        given.images = min(given.images, QUICK_IMAGES)
    kind, _, folder = given.data.partition(":")
    if kind == "idx" and not Path(folder).is_dir():
        parser.error(
            f"expected the idx files of Fashion-MNIST in {folder}, but found no such folder; "
            "on Debian: apt-get install dataset-fashion-mnist; or give --data"
        )
    return given


def assignment(text: str) -> tuple[str, str]:
    """`epochs=3` as a name and a value, which the settings check."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, but found {text!r}")
    return name, value


def images_of(source: str, space: Space, count: int) -> DataSplit:
    """The first training images, that many, and the test images: no more of them than of the others."""
    channels, resolution, _ = space.input_shape
    data = load_data(source, resolution, channels)
    return dataclasses.replace(data, train=first_of(data.train, count), test=first_of(data.test, count))


def first_of(images: ImageSet, count: int) -> ImageSet:
    """The first images, that many, or all if there are fewer."""
    return subset(images, torch.arange(min(count, len(images.labels))))


def measured_target(workspace: Workspace, target: Target, space: Space, targets_s: list[float]) -> list[float]:
    """Measure and fit the inputs of all searches, if that was not done before. Returns the latency targets.

    The model is calibrated on networks of exactly these latencies: the error of others may differ.
    """
    if not workspace.has_model(target, "lookup"):
        measure(workspace, target, fit_workloads(space))
        workspace.fit_model(target, space)
    widths_s = measure_widths(workspace, target, space, max(targets_s, default=0.0))
    targets_s = targets_s or [round(widths_s[index], 6) for index in RUNGS]
    model = workspace.model(target, space=space)
    if not model.calibration_.networks:
        table = LatencyTable(space, model)
        drawn = [random_architectures(space, at_target(table, one), CALIBRATION_NETWORKS, seed=0) for one in targets_s]
        measure(workspace, target, [space.decode(architecture) for one in drawn for architecture in one])
        workspace.fit_model(target, space)
    return targets_s


def measure(workspace: Workspace, target: Target, workloads: Sequence[Workload]) -> None:
    """Measure the workloads of a fit."""
    options = MeasureOptions(wait_s=math.inf)
    with ConsoleProgress() as shown, workspace.collection(target, options, Callbacks(shown)) as collection:
        collection.run(workloads)


def widths_path(workspace: Workspace, target: Target) -> Path:
    """The file with the seconds of MobileNetV2's widths, by network."""
    return workspace.target_dir(target) / "mobilenetv2.json"


def known_widths(workspace: Workspace, target: Target) -> dict[str, float]:
    """The measured seconds of MobileNetV2's widths, by network, from the narrowest on."""
    path = widths_path(workspace, target)
    seconds: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    return seconds


def measure_widths(workspace: Workspace, target: Target, space: Space, max_s: float) -> list[float]:
    """Measure MobileNetV2, which is in no table, from the narrowest to the first that is slower than any target.

    Returns the seconds, in this order. Without `max_s`, the targets are those of `RUNGS`.
    """
    seconds = known_widths(workspace, target)

    def is_long() -> bool:
        known = list(seconds.values())
        return len(known) > max(RUNGS) and known[-1] > 1.1 * (max_s or known[max(RUNGS)])

    if not is_long():
        model = workspace.model(target, space=space)
        with ConsoleProgress() as progress, at_work(workspace, target, model, progress) as collection:
            for network in ladder(space):
                seconds[network.key] = seconds.get(network.key) or measured_seconds(collection, model, network)
                if is_long():
                    break
        write_text(widths_path(workspace, target), json.dumps(seconds, indent=1) + "\n")
    return list(seconds.values())


def at_work(
    workspace: Workspace, target: Target, model: LatencyModel, progress: ConsoleProgress
) -> AbstractContextManager[Collection]:
    """The target, measured as the model's ops were."""
    options = MeasureOptions(wait_s=math.inf, cores=pinned_as(model))
    return workspace.collection(target, options, Callbacks(progress))


def check_baselines_exist(workspace: Workspace, target: Target, jobs: Sequence[Job]) -> None:
    """Raise TargetOutOfReach if a job's baselines cannot exist at its latency: before its search, not after it."""
    seconds = known_widths(workspace, target)
    for job in jobs:
        table = LatencyTable(job.space, workspace.model(target, space=job.space))
        settings = SearchSettings.make(**job.settings)
        check_drawn(job.space, table, job.target_s, settings, [BaselineRequest(kind="random", count=job.randoms)])
        scaled_mobilenet(job.space, job.target_s, lambda network: seconds[network.key])


def run_all(jobs: Sequence[Job], processes: int) -> None:
    """Run what is not finished, some jobs in parallel."""
    # a new process for each job: the time of one does not depend on what ran before it
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        running = [pool.submit(run_job, job) for job in jobs]
        for done, job in enumerate(as_completed(running), 1):
            if error := job.exception():
                log_progress(f"no further job begins, and those under way are waited for: {error}")
                pool.shutdown(wait=False, cancel_futures=True)
                raise error
            log_progress(f"{done} of {len(jobs)} finished: {job.result()}")


def run_job(job: Job) -> str:
    """One search and its baselines. Returns its name."""
    target, workspace = Target(HERE, job.runtime), Workspace(job.workspace)
    space, data = job.space, images_of(job.data, job.space, job.images)
    table = LatencyTable(space, workspace.model(target, space=space))
    settings, progress_log = SearchSettings.make(**job.settings), ProgressLog(job)
    resume = (job.folder / FILES["recipe"]).exists()
    run_search(Problem(space, table, data, job.target_s, settings), job.folder, progress_log, resume)
    progress_log.finished("search", "training")
    seconds = known_widths(workspace, target)
    requested = [BaselineRequest(kind="random", count=job.randoms), BaselineRequest(kind="mobilenetv2")]
    run_baselines(
        Problem(space, table, data, job.target_s, settings),
        job.folder,
        requested,
        lambda network: seconds[network.key],
        progress_log,
    )
    return job.name


class ProgressLog:
    """Reports now and then how far a job is, and its estimated time left."""

    SEARCH = 2.0
    """Approximate cost of a search, in trainings."""

    EVERY_S = 30.0

    def __init__(self, job: Job) -> None:
        self.job = job
        self._fractions_done: dict[str, float] = {}
        self._logged_at = time.monotonic()
        self._first: list[tuple[float, float]] = []
        """Time and share at the first report of work, and at its first step: one-time work comes before it."""

    def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
        """Record the progress, and report it if due. Ends this process if the one that started it was killed."""
        parent = parent_process()
        if parent is not None and not parent.is_alive():
            os._exit(1)  # or two would write to one folder when the benchmark is started again
        self._fractions_done[phase] = done / total
        now = time.monotonic()
        if len(self._first) < 2 and self._share not in (share for _, share in self._first):
            self._first.append((now, self._share))
        begun, at_first = self._first[-1]
        if now - self._logged_at > self.EVERY_S and self._share > at_first:
            self._logged_at = now
            left_s = (now - begun) * (1 - self._share) / (self._share - at_first)
            log_progress(
                f"{self.job.name}: {phase} {done} of {total}; {self._share:.0%} in all, {left_s:.0f} s left {text}"
            )

    def finished(self, *phases: str) -> None:
        """These are done, in any run."""
        self._fractions_done.update(dict.fromkeys(phases, 1.0))

    @property
    def _share(self) -> float:
        """Of the job, 0 to 1."""
        counted = [share for phase, share in self._fractions_done.items() if not phase.startswith("finalist")]
        done = sum(counted) + (self.SEARCH - 1) * self._fractions_done.get("search", 0.0)
        return done / (self.SEARCH + self.job.networks)


def log_progress(text: str) -> None:
    """Print a line for a person."""
    print(text, file=sys.stderr, flush=True)


def measured(workspace: Workspace, target: Target, job: Job, progress: ConsoleProgress) -> MeasuredNetwork:
    """The derived network of a job, measured on the target: once, and then read."""
    path = job.folder / MEASURED_FILE
    if not path.exists():
        network = Network.load(job.folder / FILES["architecture"])
        model = workspace.model(target, space=job.space)
        with at_work(workspace, target, model, progress) as collection:
            found = measure_network(collection, model, network)
        found.save(path)
    return load_record(MeasuredNetwork, path)


PRINTED = (
    "seed",
    "target_latency_ms",
    "predicted_latency_ms",
    "measured_latency_ms",
    "accuracy",
    "random_accuracy_mean",
    "mobilenetv2_accuracy",
    "search_seconds",
    "training_seconds",
)
"""The figures of a search in the last line."""

Row = dict[str, Any]


def row(job: Job, measured_network: MeasuredNetwork) -> Row:
    """The figures of one search."""
    result = load_record(SearchResult, job.folder / FILES["result"])
    records = Baselines.load(job.folder).records
    random_records = [record for record in records if record.kind == "random"]
    random = [record.score for record in random_records]
    mobilenet = next(record for record in records if record.kind == "mobilenetv2")
    return {
        "seed": job.seed,
        "target_latency_ms": 1e3 * job.target_s,
        "predicted_latency_ms": 1e3 * result.predicted_latency_s,
        "measured_latency_ms": measured_network.network.measured_ms,
        "accuracy": result.score,
        "random_accuracy_mean": fmean(random),
        "random_accuracies": random,
        "mobilenetv2_accuracy": mobilenet.score,
        "mobilenetv2": f"{mobilenet.name.removeprefix('mobilenetv2-')}, {1e3 * mobilenet.predicted_latency_s:.3g} ms",
        "search_seconds": result.seconds["search"],
        "training_seconds": result.seconds["training"],
        "architecture": "".join(map(str, result.architecture)),
        "macs_over_random": result.macs / fmean(record.macs for record in random_records),
    }


def show(rows: Sequence[Row]) -> None:
    """The tables for people."""
    show_table(
        "predicted / target, measured / predicted, accuracies in percent, search / training", [*map(single, rows)]
    )
    show_table("what was trained", [details(one) for one in rows])
    targets_ms = sorted({one["target_latency_ms"] for one in rows})
    show_table(
        "accuracy at equal latency, percent: mean over seeds ± their standard deviation",
        [summary([one for one in rows if one["target_latency_ms"] == target]) for target in targets_ms],
    )


def single(one: Row) -> Row:
    """One search, in units for people."""
    return {
        "seed": one["seed"],
        "ms": one["target_latency_ms"],
        "predicted": one["predicted_latency_ms"] / one["target_latency_ms"],
        "measured": one["measured_latency_ms"] / one["predicted_latency_ms"],
        "derived": 100 * one["accuracy"],
        "random": 100 * one["random_accuracy_mean"],
        "MobileNetV2": 100 * one["mobilenetv2_accuracy"],
        "cost": one["search_seconds"] / one["training_seconds"],
    }


def details(one: Row) -> Row:
    """The inputs behind the figures of one search."""
    return {
        "seed": one["seed"],
        "ms": one["target_latency_ms"],
        "derived": one["architecture"],
        "its MACs / random": one["macs_over_random"],
        "random, %": " ".join(f"{100 * accuracy:.1f}" for accuracy in one["random_accuracies"]),
        "MobileNetV2": one["mobilenetv2"],
    }


def summary(rows: Sequence[Row]) -> Row:
    """All seeds of one target: means, differences and spreads."""
    names = ("accuracy", "random_accuracy_mean", "mobilenetv2_accuracy")
    derived, random, mobilenet = ([100 * one[name] for one in rows] for name in names)
    return {
        "ms": rows[0]["target_latency_ms"],
        "derived": spread(derived),
        "random": spread(random),
        "MobileNetV2": spread(mobilenet),
        "over random": spread([one - other for one, other in zip(derived, random, strict=True)]),
        "over MobileNetV2": spread([one - other for one, other in zip(derived, mobilenet, strict=True)]),
    }


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation, as text."""
    return f"{fmean(values):.2f} ± {stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


if __name__ == "__main__":
    try:
        main()
    except LatkitError as error:
        sys.exit(f"error: {error}")
