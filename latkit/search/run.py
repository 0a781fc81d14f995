"""A full search: learn, derive, train, export, with every file under one folder."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from latkit._io import reading
from latkit.errors import BadFile
from latkit.progress import Progress, Silent
from latkit.search.finalize import Trained, finish
from latkit.search.gradient.factory import fresh_module, make_search_phase
from latkit.search.gradient.search_phase import SearchPhase
from latkit.search.objectives.constraints import CONSTRAINTS_FILE, save_constraints
from latkit.search.objectives.derivation import Derived, derive
from latkit.search.objectives.finalists import FinalistTrainer, finalists
from latkit.search.objectives.ranking import rank_by_loss
from latkit.search.preflight import check_problem
from latkit.search.records.checkpoint_parts import derived_of
from latkit.search.records.problem import Problem
from latkit.search.records.result import Recipe, SearchResult
from latkit.search.records.search_dir import SearchFolder
from latkit.search.supernet.supernet import Supernet
from latkit.search.supernet.warmup import check_warm_up, warmed_up
from latkit.search.training.curves import Curves
from latkit.search.training.distributed import broadcast_from_main, broadcast_path_from_main
from latkit.search.training.resource_errors import translate_resource_errors
from latkit.search.training.runtime_env import exact, fabric_of, threads
from latkit.search.training.trainer import Checkpointer, Phase, Row, run_phase
from latkit.search.training.training_phase import TrainingPhase
from latkit.spaces import Architecture

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch.utils.tensorboard import SummaryWriter


def run_search(
    problem: Problem,
    folder: Path,
    progress: Progress | None = None,
    resume: bool = False,
    fabric: Fabric | None = None,
    warm_up: Path | None = None,
) -> SearchResult:
    """Search for the most accurate network at a latency, and train it (Cai et al. 2019).

    Everything is written under `folder` (see `FILES`). `resume` continues from its checkpoint; for a finished search it
    returns the result. Without `fabric`, the search uses one device, chosen by the settings. `warm_up`: the `warmup.pt`
    of a search that differs in table and target alone, to start from; the result is the same, bit for bit.

    Raises, before anything is written, UsageError where space, table and data do not match or the folder holds another
    search, and TargetOutOfReach where the target is outside the feasible range. Raises LatkitError where a loss is not
    finite, OutOfMemory, DiskFull, and BadFile for an image that cannot be read; the last checkpoint is then preserved.
    """
    binding = check_problem(problem)
    fabric = fabric or fabric_of(problem.settings)
    recipe = problem.recipe()
    warm_up = broadcast_path_from_main(warm_up, fabric)
    files = SearchFolder(folder, fabric)
    files.check_alike(recipe)
    broadcast_from_main(lambda: _checked(warm_up, recipe), fabric)
    finished = files.open(recipe, resume)
    if finished is not None:
        return finished
    shown = progress if progress and fabric.is_global_zero else Silent()
    search = PhasedSearch(problem, recipe, files, fabric, binding, shown, warm_up)
    with translate_resource_errors(folder, problem.settings):
        return search.run()


def _checked(warm_up: Path | None, recipe: Recipe) -> bytes:
    """Raise as `check_warm_up` does, in the first process."""
    if warm_up is not None:
        check_warm_up(warm_up, recipe)
    return b""


@dataclass
class PhasedSearch:
    """A running search."""

    problem: Problem
    recipe: Recipe
    files: SearchFolder
    fabric: Fabric
    binding: bool
    progress: Progress
    warm_up: Path | None

    def run(self) -> SearchResult:
        """Run the remaining phases."""
        saved = self.files.load(self.recipe.identity)
        settings = self.problem.settings
        with (
            threads(settings.threads),
            exact(settings.deterministic, self.fabric.device),
            self._writer() as writer,
        ):
            self.curves = Curves(writer, self.problem.space, saved.get("rows"))
            return self._run_phases(saved)

    def _writer(self) -> AbstractContextManager[SummaryWriter | None]:
        """TensorBoard writer, in the first process."""
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self.files.file("tensorboard"))) if self.fabric.is_global_zero else nullcontext()

    def _run_phases(self, saved: dict[str, Any]) -> SearchResult:
        self.seconds: dict[str, float] = dict(saved.get("seconds", {"search": 0.0, "training": 0.0}))
        self.warmed_by: str = saved.get("warm_up", "")
        self.finalist_scores: dict[Architecture, float] = dict(saved.get("finals", []))
        self.files.write(self._write_givens)
        if saved.get("stage") == "training":
            derived = derived_of(self.files.file("checkpoint"), saved, self.problem.space)
            start = self._module(derived, None)
        else:
            derived, start = self._derived(saved)
            saved = {}
        problem = self.problem
        expected_s, notes = self._expected_s(derived), self._notes()  # a wrong file is reported before the training
        network = problem.space.decode(derived.architecture, self.files.path.name)
        self.files.write(lambda: network.save(self.files.file("architecture")))
        training = TrainingPhase(start, problem.data, problem.settings, self.fabric, problem.teacher)
        self._run(training, saved, {"derived": dataclasses.asdict(derived)})
        found = Trained(network, training.finish(), derived, expected_s, self.seconds, notes)
        return finish(problem, self.files.path, found, self.fabric)

    def _expected_s(self, derived: Derived) -> float:  # noqa: ARG002 - a search by a strategy has no distribution
        """Seconds that the distribution expects at the end of the search. Raises BadFile of a cut checkpoint."""
        rows = self.curves.rows["search"]
        if not rows:
            raise BadFile(self.files.file("checkpoint"), "a checkpoint of a search", "no rows of the search's history")
        found: float = rows[-1]["expected_latency_s"]
        return found

    def _notes(self) -> tuple[str, ...]:
        """Notes on how the result was obtained, for people."""
        notes = [f"the warm-up is that of {self.warmed_by}, its time counted there"] if self.warmed_by else []
        if self.finalist_scores:
            metric = self.problem.task.metric
            scores = ", ".join(map(metric.format, sorted(self.finalist_scores.values(), key=metric.rank, reverse=True)))
            count = len(self.finalist_scores)
            notes.append(f"the best of {count} finalists, trained briefly (on unseen training images: {scores})")
        return tuple(notes)

    def _write_givens(self) -> None:
        self.problem.space.save(self.files.file("space"))
        self.problem.table.save(self.files.file("table"))
        if self.problem.constraints:
            save_constraints(self.problem.constraints, self.files.path / CONSTRAINTS_FILE)

    def _derived(self, saved: dict[str, Any]) -> tuple[Derived, nn.Module]:
        """The derived architecture, and the module to train; the supernet is released."""
        problem, settings = self.problem, self.problem.settings
        supernet, phase = make_search_phase(problem, self.fabric, self.binding)
        if not saved and problem.start is not None:
            problem.start.load_into(supernet, problem.space)
        if not saved and self.warm_up is not None:
            saved = warmed_up(self.warm_up, phase)
            self.curves.take_over(saved["rows"])
            self.warmed_by = saved["warm_up"]
        self._run(phase, saved, {})
        derived = self._decided(supernet, phase)
        return derived, self._module(derived, supernet if settings.inherit_weights else None)

    def _decided(self, supernet: Supernet, phase: SearchPhase) -> Derived:
        """The most probable path, repaired, or the best of the finalists."""
        problem, settings, distribution = self.problem, self.problem.settings, phase.arch_objective.distribution
        order = partial(rank_by_loss, supernet, phase.architecture_feeder, settings.repair_batches, self.fabric)
        began = time.monotonic()
        derived = derive(
            distribution, problem.table, problem.target_s, problem.constraints, settings.repair_candidates, order
        )
        candidates = finalists(distribution, problem, derived.architecture, order)
        self.seconds["search"] += time.monotonic() - began
        if len(candidates) == 1:
            return derived
        self._train_finalists(candidates, phase)
        best = max(candidates, key=lambda one: problem.task.metric.rank(self.finalist_scores[one]))
        return Derived.of(best, distribution.strongest(), problem.table)

    def _train_finalists(self, candidates: Sequence[Architecture], phase: SearchPhase) -> None:
        """Train the finalists that have no result yet; a checkpoint after each."""
        trainer = FinalistTrainer(self.problem, phase, self.fabric, self.progress)
        for number, candidate in enumerate(candidates, 1):
            if candidate not in self.finalist_scores:
                began = time.monotonic()
                self.finalist_scores[candidate] = trainer.score(candidate, f"finalist {number} of {len(candidates)}")
                self.seconds["search"] += time.monotonic() - began
                self._save(phase, phase.epochs * phase.steps_per_epoch, {})

    def _module(self, derived: Derived, supernet: Supernet | None) -> nn.Module:
        """The derived network with fresh weights, or with the supernet's."""
        module = fresh_module(self.problem.space.decode(derived.architecture), self.problem.settings, self.fabric)
        if supernet is not None:
            module.load_state_dict(supernet.path_module(derived.architecture).state_dict())
        return module

    def _run(self, phase: Phase, saved: dict[str, Any], extra: dict[str, Any]) -> None:
        """Run a phase from its checkpoint, writing checkpoints during it."""
        start = 0
        if saved.get("stage") == phase.name:
            with reading(self.files.file("checkpoint"), "a checkpoint of this search"):
                phase.load_state(saved.pop("phase"))  # the saved state is as large as the phase
            start = int(saved["step"])
        settings = self.problem.settings
        began, before = time.monotonic(), self.seconds[phase.name]

        def save(step: int) -> None:
            self.seconds[phase.name] = before + time.monotonic() - began
            self._save(phase, step, extra)

        def note(row: Row) -> None:
            self.curves.note(phase.name, row, before + time.monotonic() - began)

        checkpointer = Checkpointer(save, settings.checkpoint_seconds, self.fabric)
        if start == 0 and phase.name == "training":
            checkpointer.keep(0)  # from here on, resuming does not search again
        run_phase(phase, start, checkpointer, self.progress, note)
        self.files.write(lambda: self.curves.save(self.files.file("history")))

    def _save(self, phase: Phase, step: int, extra: dict[str, Any]) -> None:
        """Write a checkpoint of a phase after `step` steps."""
        content = {
            "of": self.recipe.identity,
            "stage": phase.name,
            "step": step,
            "phase": phase.state(),
            "warm_up": self.warmed_by,
            "finals": list(self.finalist_scores.items()),
            **extra,
        }
        content |= {"rows": self.curves.rows, "seconds": self.seconds}
        ends_warm_up = phase.name == "search" and step == self.problem.settings.warmup_epochs * phase.steps_per_epoch
        self.files.save(content)
        if ends_warm_up:
            self.files.save_warm_up(content)
