"""Baselines of a search: found, trained and evaluated as its derived network is, and saved in its folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from latkit.errors import LatkitError, UsageError
from latkit.ops import Network
from latkit.progress import Named, Progress, Silent
from latkit.search.baselines.at_latency import AtLatency, random_architectures
from latkit.search.baselines.folder import BaselineFolder
from latkit.search.baselines.records import BaselineRecord, BaselineRequest, Baselines, EvolutionPlan, Kind
from latkit.search.baselines.sampling import at_target
from latkit.search.baselines.shared_weights import SharedWeights, uniform_phase
from latkit.search.baselines.widths import LatencyOf, scaled_mobilenet
from latkit.search.goals import Goal, Goals
from latkit.search.gradient.factory import fresh_module
from latkit.search.gradient.settings import SearchSettings
from latkit.search.history import Entry
from latkit.search.loop import Budget, LoopOptions, search
from latkit.search.preflight import check_data
from latkit.search.records.problem import Problem
from latkit.search.strategies.evolution import EvolutionSettings, RegularizedEvolution
from latkit.search.supernet.weight_trainer import evaluate
from latkit.search.training.distributed import broadcast_from_main
from latkit.search.training.resource_errors import translate_resource_errors
from latkit.search.training.runtime_env import exact, fabric_of, threads
from latkit.search.training.trainer import Checkpointer, Phase, run_phase
from latkit.search.training.training_phase import TrainingPhase
from latkit.spaces import Architecture, Space
from latkit.tables import LatencyTable

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def run_baselines(
    problem: Problem,
    folder: Path,
    requested: Sequence[BaselineRequest],
    latency_of: LatencyOf | None = None,
    progress: Progress | None = None,
    fabric: Fabric | None = None,
) -> Baselines:
    """Train and evaluate baselines with the settings and on the images of a search.

    `folder`: the folder of the search, finished or not; the problem must be the one that the search began with. The
    constraints of the search do not bind baselines. Networks use the seeds of the derived network: `seed + 1` for the
    initial weights, `seed` for the order of images; architectures are drawn with `seed`. `latency_of`: seconds of a
    MobileNetV2 of a given width, which no table of a space has; with several processes, only the first calls it.
    Finished baselines are not trained again; interrupted ones resume from their checkpoints.

    Raises UsageError where an argument does not fit the search or MobileNetV2 is requested without `latency_of`,
    TargetOutOfReach where no network has such a latency, and OutOfMemory and DiskFull as `run_search` does.
    """
    problem = replace(problem, constraints=())
    problem.table.check_space(problem.space)
    check_data(problem.space, problem.data, problem.task)
    check_baselines(problem.settings, requested)
    fabric = fabric or fabric_of(problem.settings)
    broadcast_from_main(lambda: _checked(latency_of, requested), fabric)
    files = BaselineFolder(folder, fabric)
    files.open(problem.recipe())
    shown = progress if progress and fabric.is_global_zero else Silent()
    trainer = _Trainer(problem, files, fabric, shown)
    with (
        translate_resource_errors(folder, problem.settings),
        threads(problem.settings.threads),
        exact(problem.settings.deterministic, fabric.device),
    ):
        for one in requested:
            trainer.train(one, latency_of)
    return files.finished()


def check_baselines(settings: SearchSettings, requested: Sequence[BaselineRequest]) -> None:
    """Raise UsageError where baselines cannot be trained, or not in the same way as the derived network."""
    if requested and settings.inherit_weights:
        raise UsageError(
            "expected a network trained from scratch to compare with baselines, which are, but found "
            "inherit_weights=True"
        )


def check_drawn(
    space: Space,
    table: LatencyTable,
    target_latency_s: float,
    settings: SearchSettings,
    requested: Sequence[BaselineRequest],
) -> None:
    """Draw the random architectures in advance. Raises UsageError and TargetOutOfReach where there are too few.

    Other failures, such as MobileNetV2's widths, are found only once the search is finished.
    """
    for one in requested:
        if one.kind != "mobilenetv2":
            sampler = at_target(table, target_latency_s)
            random_architectures(space, sampler, one.count, settings.seed)


def _checked(latency_of: LatencyOf | None, requested: Sequence[BaselineRequest]) -> bytes:
    """Placeholder; raises UsageError where MobileNetV2's latency is unknown."""
    if latency_of is None and any(one.kind == "mobilenetv2" for one in requested):
        raise UsageError("expected a function that gives MobileNetV2's latency on the target, but found none")
    return b""


@dataclass(frozen=True, slots=True)
class _Trainer:
    """Finds and trains the baselines that are not finished yet."""

    problem: Problem
    files: BaselineFolder
    fabric: Fabric
    progress: Progress

    def train(self, requested: BaselineRequest, latency_of: LatencyOf | None) -> None:
        """Find and train what one request asks for."""
        if requested.kind == "mobilenetv2":
            self.mobilenet(latency_of)
        elif requested.kind == "random":
            self.randoms(requested.count)
        else:
            self.evolution(requested.evolution)

    def randoms(self, count: int) -> None:
        """`count` random architectures at the target."""
        problem = self.problem
        sampler = at_target(problem.table, problem.target_s)
        drawn = random_architectures(problem.space, sampler, count, problem.settings.seed)
        for number, architecture in enumerate(drawn, 1):
            self._train_architecture(f"random-{number}", "random", architecture, {})

    def mobilenet(self, latency_of: LatencyOf | None) -> None:
        """MobileNetV2 scaled to the target."""
        if any(record.kind == "mobilenetv2" for record in self.files.finished().records):
            return

        def ask_latency(network: Network) -> bytes:
            assert latency_of is not None
            return repr(float(latency_of(network))).encode()

        def seconds_of(network: Network) -> float:
            return float(broadcast_from_main(lambda: ask_latency(network), self.fabric))

        network, seconds = scaled_mobilenet(self.problem.space, self.problem.target_s, seconds_of)
        self._train(network.name, "mobilenetv2", network, seconds, None, {})

    def evolution(self, plan: EvolutionPlan) -> None:
        """The architecture that evolution finds at the target."""
        if self.files.finished().named("evolution"):
            return
        found = self.files.saved("evolution-found")
        if not found:
            architecture, seconds = self._evolved(plan)
            found = {"architecture": list(architecture), "seconds": seconds}
            self.files.save("evolution-found", found)
        with self.files.reading("evolution-found"):
            found_s, architecture = float(found["seconds"]), self.problem.space.check(found["architecture"])
        self.files.drop("evolution-supernet")  # also those that a kill left next to their results
        self.files.drop_history("evolution")
        self._train_architecture("evolution", "evolution", architecture, {"search": found_s})
        self.files.drop("evolution-found")

    def _evolved(self, plan: EvolutionPlan) -> tuple[Architecture, float]:
        """The best architecture, and the seconds spent to find it."""
        problem = self.problem
        space = AtLatency(problem.space, at_target(problem.table, problem.target_s))
        supernet, phase = uniform_phase(problem, self.fabric)
        seconds = self._run("evolution-supernet", phase)
        evaluator = SharedWeights(supernet, phase, problem.data, plan.images)
        metric = problem.task.metric
        settings = EvolutionSettings(plan.population, plan.tournament)
        goals = Goals((Goal(metric.name, metric.larger_is_better),))
        strategy = RegularizedEvolution(space, goals, problem.settings.seed, settings)

        def note(entry: Entry) -> None:
            if entry.verdict.failure:  # the next attempt starts over: a saved failure would end it too
                self.files.drop_history("evolution")
                raise LatkitError(f"the baseline evolution could not evaluate a network: {entry.verdict.failure}")
            self.progress.advance("evolution", entry.number + 1, plan.evaluations)

        with self.files.history("evolution") as history:
            options = LoopOptions(history, on_entry=note)
            outcome = search(strategy, evaluator, Budget(plan.evaluations), options)
        assert outcome.best is not None
        seconds += sum(entry.verdict.cost.get("seconds", 0.0) for entry in outcome.entries)
        return outcome.best.architecture, seconds

    def _train_architecture(
        self, name: str, kind: Kind, architecture: Architecture, search_seconds: dict[str, float]
    ) -> None:
        network = self.problem.space.decode(architecture, name)
        predicted_s = self.problem.table.total(architecture)
        self._train(name, kind, network, predicted_s, architecture, search_seconds)

    def _train(
        self,
        name: str,
        kind: Kind,
        network: Network,
        predicted_s: float,
        architecture: Architecture | None,
        search_seconds: dict[str, float],
    ) -> None:
        """Train a network as the derived one is, and save its record; skip it if it is finished."""
        if self.files.finished().named(name):
            return
        settings, data = self.problem.settings, self.problem.data
        module = fresh_module(network, settings, self.fabric)
        phase = TrainingPhase(module, data, settings, self.fabric, self.problem.teacher)
        seconds = self._run(name, phase)
        record = BaselineRecord(
            name=name,
            kind=kind,
            task=settings.task,
            score=evaluate(phase.finish(), data, data.test, self.fabric, settings),
            predicted_latency_s=predicted_s,
            macs=network.macs,
            parameters=network.parameters,
            architecture=architecture,
            seconds={**search_seconds, "training": seconds},
        )
        self.files.keep(record)

    def _run(self, name: str, phase: Phase) -> float:
        """Run a phase from its checkpoint; returns its total seconds."""
        saved = self.files.saved(name) or {"step": 0, "seconds": 0.0}
        with self.files.reading(name):
            step, before = int(saved["step"]), float(saved["seconds"])
            if "phase" in saved:
                phase.load_state(saved.pop("phase"))
        begun = time.monotonic()

        def seconds() -> float:
            return before + time.monotonic() - begun

        def save(step: int) -> None:
            self.files.save(name, {"step": step, "seconds": seconds(), "phase": phase.state()})

        checkpointer = Checkpointer(save, self.problem.settings.checkpoint_seconds, self.fabric)
        run_phase(phase, step, checkpointer, Named(self.progress, name), lambda _row: None)
        return seconds()
