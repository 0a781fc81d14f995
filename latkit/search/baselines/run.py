"""Baselines of a search: found, trained and evaluated as its derived network is, and kept beside it."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from latkit.errors import UsageError
from latkit.ops import Network
from latkit.progress import Progress, Silent
from latkit.search.assembly import fresh_module
from latkit.search.baselines.evolution import RegularisedEvolution, evolve
from latkit.search.baselines.records import BASELINES_FILE, BaselineRecord, Baselines, Kind, Wanted
from latkit.search.baselines.sampling import at_target, random_architectures
from latkit.search.baselines.shared_weights import SharedWeights, uniform_phase
from latkit.search.baselines.widths import LatencyOf, scaled_mobilenet
from latkit.search.checkpoint import load_checkpoint, save_checkpoint
from latkit.search.checks import check_data
from latkit.search.data import DataSplit
from latkit.search.loop import Keeper, Phase, run_phase
from latkit.search.machine import exact, fabric_of, threads
from latkit.search.problem import Problem
from latkit.search.result import FILES, Recipe, load_record
from latkit.search.settings import SearchSettings
from latkit.search.train import TrainingPhase
from latkit.search.trained import TrainedNetwork
from latkit.search.weights import evaluate
from latkit.spaces import Architecture, Space
from latkit.tables import LatencyTable

FOLDER = "baselines"
"""In the search's folder: checkpoints of baselines under way."""


@dataclass(frozen=True, slots=True)
class EvolutionPlan:
    """How long evolution goes on."""

    evaluations: int = 200
    images: int = 2048
    """Images that an architecture is judged on, at most."""
    population: int = 32
    tournament: int = 8


def run_baselines(
    space: Space,
    table: LatencyTable,
    data: DataSplit,
    target_latency_s: float,
    settings: SearchSettings,
    folder: Path,
    wanted: Sequence[Wanted],
    latency_of: LatencyOf | None = None,
    progress: Progress | None = None,
    fabric: Fabric | None = None,
    teacher: TrainedNetwork | None = None,
    evolution: EvolutionPlan | None = None,
) -> Baselines:
    """Train and evaluate what a search is to be compared with, by the settings and on the images of that search.

    `folder`: the search's, which may be finished or not; the arguments must be those it began with. Limits that it had
    beside its latency do not bind baselines. Networks have the seeds of the derived one: `seed + 1` for their first
    weights, `seed` for the order of images; architectures are drawn by `seed`. `latency_of`: seconds of MobileNetV2's
    widths, which no table of a space knows. What is finished already is kept, what was interrupted goes on from its
    checkpoint.

    Raises UsageError where an argument does not fit the search, where MobileNetV2 is wanted without `latency_of`, or
    under several processes, and TargetOutOfReach where no network has such a latency.
    """
    table.check_space(space)
    check_data(space, data)
    check_baselines(settings, wanted)
    if latency_of is None and any(one.kind == "mobilenetv2" for one in wanted):
        raise UsageError("expected a function that gives MobileNetV2's latency on the target, but found none")
    problem, path = Problem(space, table, data, target_latency_s, settings, teacher), folder / FILES["recipe"]
    kept = load_record(Recipe, path)
    problem.recipe().model_copy(update={"limits": kept.limits}).check_same(kept, path)  # which are the search's alone
    fabric = fabric or fabric_of(settings)
    (folder / FOLDER).mkdir(exist_ok=True)
    trainer = _Trainer(problem, folder, fabric, progress or Silent())
    with threads(settings.threads), exact(settings.deterministic, fabric.device):
        for one in wanted:
            if one.kind == "mobilenetv2":
                assert latency_of is not None
                trainer.mobilenet(latency_of)
            elif one.kind == "random":
                trainer.randoms(one.count)
            else:
                trainer.evolution(evolution or EvolutionPlan())
    return Baselines.load(folder)


def check_baselines(settings: SearchSettings, wanted: Sequence[Wanted]) -> None:
    """Raise UsageError where baselines cannot be trained, or not as the derived network is."""
    if wanted and settings.inherit_weights:
        raise UsageError(
            "expected a network trained from scratch to compare with baselines, which are, but found "
            "inherit_weights=True"
        )
    if wanted and TorchElasticEnvironment.detect():
        raise UsageError(
            "expected one process to train baselines, but found torchrun's; search without them first, then resume the "
            "search with them and without torchrun"
        )


@dataclass(frozen=True, slots=True)
class _Trainer:
    """Finds and trains baselines that are not finished yet."""

    problem: Problem
    folder: Path
    fabric: Fabric
    progress: Progress

    def randoms(self, count: int) -> None:
        """So many random architectures at the target."""
        problem = self.problem
        sampler = at_target(problem.table, problem.target_s)
        drawn = random_architectures(problem.space, sampler, count, problem.settings.seed)
        for number, architecture in enumerate(drawn, 1):
            self._train_architecture(f"random-{number}", "random", architecture, {})

    def mobilenet(self, latency_of: LatencyOf) -> None:
        """MobileNetV2 scaled to the target, once."""
        if not any(record.kind == "mobilenetv2" for record in Baselines.load(self.folder).records):
            network, seconds = scaled_mobilenet(self.problem.space, self.problem.target_s, latency_of)
            self._train(network.name, "mobilenetv2", network, seconds, None, {})

    def evolution(self, plan: EvolutionPlan) -> None:
        """What evolution finds at the target, once."""
        if Baselines.load(self.folder).named("evolution"):
            return
        found = self._checkpoint("evolution-found")
        if not found.exists():
            architecture, seconds = self._evolved(plan)
            save_checkpoint(found, {"architecture": list(architecture), "seconds": seconds})
            self._checkpoint("evolution-supernet").unlink(missing_ok=True)
        saved = load_checkpoint(found)
        searched = {"search": float(saved["seconds"])}
        self._train_architecture("evolution", "evolution", tuple(saved["architecture"]), searched)
        found.unlink()

    def _evolved(self, plan: EvolutionPlan) -> tuple[Architecture, float]:
        """The best architecture, and the seconds that it took to find it."""
        problem = self.problem
        sampler = at_target(problem.table, problem.target_s)
        supernet, phase = uniform_phase(problem, self.fabric)
        seconds = self._run("evolution-supernet", phase)
        begun = time.monotonic()
        fitness = SharedWeights(supernet, phase, problem.data, plan.images)
        rng = random.Random(f"evolution/{problem.settings.seed}")
        strategy = RegularisedEvolution(sampler, rng, plan.population, plan.tournament)

        def note(done: int) -> None:
            self.progress.advance("evolution", done, plan.evaluations)

        architecture = evolve(strategy, fitness, plan.evaluations, note)
        return architecture, seconds + time.monotonic() - begun

    def _train_architecture(
        self, name: str, kind: Kind, architecture: Architecture, searched: dict[str, float]
    ) -> None:
        network = self.problem.space.decode(architecture, name)
        predicted_s = self.problem.table.total(architecture)
        self._train(name, kind, network, predicted_s, architecture, searched)

    def _train(
        self,
        name: str,
        kind: Kind,
        network: Network,
        predicted_s: float,
        architecture: Architecture | None,
        searched: dict[str, float],
    ) -> None:
        """Train a network as the derived one is, and keep its record; unless it is there already."""
        before = Baselines.load(self.folder)
        if before.named(name):
            return
        settings, data = self.problem.settings, self.problem.data
        module = fresh_module(network, settings, self.fabric)
        phase = TrainingPhase(module, data, settings, self.fabric, self.problem.teacher)
        seconds = self._run(name, phase)
        record = BaselineRecord(
            name=name,
            kind=kind,
            accuracy=evaluate(phase.finish(), data, data.test, self.fabric),
            predicted_latency_s=predicted_s,
            macs=network.macs,
            parameters=network.parameters,
            architecture=architecture,
            seconds={**searched, "training": seconds},
        )
        before.with_record(record).save(self.folder / BASELINES_FILE)
        self._checkpoint(name).unlink(missing_ok=True)

    def _run(self, name: str, phase: Phase) -> float:
        """Run a phase from where its checkpoint left it; gives the seconds that it took in all."""
        path = self._checkpoint(name)
        saved: dict[str, Any] = load_checkpoint(path) if path.exists() else {"step": 0, "seconds": 0.0}
        if "phase" in saved:
            phase.load_state(saved.pop("phase"))
        begun = time.monotonic()

        def seconds() -> float:
            return float(saved["seconds"]) + time.monotonic() - begun

        def save(step: int) -> None:
            save_checkpoint(path, {"step": step, "seconds": seconds(), "phase": phase.state()})

        keeper = Keeper(save, self.problem.settings.checkpoint_seconds, self.fabric)
        run_phase(phase, int(saved["step"]), keeper, _Named(self.progress, name), lambda _row: None)
        return seconds()

    def _checkpoint(self, name: str) -> Path:
        return self.folder / FOLDER / f"{name}.pt"


@dataclass(frozen=True, slots=True)
class _Named:
    """Tells of the progress of one of several."""

    progress: Progress
    name: str

    def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
        """With the name before it."""
        self.progress.advance(f"{self.name}: {phase}", done, total, text)
