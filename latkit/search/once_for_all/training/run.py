"""Training of a supernet: every stage of a curriculum, with every file under one folder."""

from __future__ import annotations

import hashlib
import itertools
import random
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latkit._io import reading
from latkit.progress import Progress, Silent
from latkit.search.curricula import Stage
from latkit.search.once_for_all.judging import SubnetJudge
from latkit.search.once_for_all.records import Judged, SupernetRecipe, SupernetResult
from latkit.search.once_for_all.training.folder import SupernetFolder
from latkit.search.once_for_all.training.nets import build_net, check_curriculum
from latkit.search.once_for_all.training.phase import CurriculumPhase
from latkit.search.once_for_all.training.problem import SupernetProblem
from latkit.search.preflight import check_data
from latkit.search.supernet.elastic.base import SORTED, ElasticNet, dimension_of
from latkit.search.supernet.weight_trainer import device_module
from latkit.search.training.curves import Curves
from latkit.search.training.distributed import broadcast_from_main
from latkit.search.training.nan_guard import check_weights
from latkit.search.training.resource_errors import translate_resource_errors
from latkit.search.training.runtime_env import exact, fabric_of, seeded, threads
from latkit.search.training.trained_network import save_weights
from latkit.search.training.trainer import Checkpointer, Row, run_phase
from latkit.spaces import Architecture

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch.utils.tensorboard import SummaryWriter


def train_supernet(
    problem: SupernetProblem,
    folder: Path,
    progress: Progress | None = None,
    resume: bool = False,
    net: ElasticNet | None = None,
    fabric: Fabric | None = None,
) -> SupernetResult:
    """Train the weights of an elastic space, or of a chain's candidates; everything is written under `folder`.

    `resume` continues from its checkpoint, and gives the result of a finished training. `net`: a network of the user's
    own, as `latkit.search.elastic` gives it; by default the space's. Without `fabric`, one device, or torchrun's
    processes, as the settings say.

    Raises, before anything is written, UsageError where space and data do not match, epochs are too few for the
    curriculum, or the folder holds another training. Raises LatkitError where a loss is not finite, OutOfMemory,
    DiskFull, BadFile; the last checkpoint is then preserved.
    """
    check_data(problem.space, problem.data, problem.task)
    stages = problem.curriculum.stages(problem.space, problem.settings.epochs)
    fabric = fabric or fabric_of(problem.settings)
    files, recipe = SupernetFolder(folder, fabric), problem.recipe()
    net = net or fresh_supernet(problem)
    check_curriculum(problem.curriculum, net)
    finished = files.open(recipe, resume)
    if finished is not None:
        return finished
    shown = progress if progress and fabric.is_global_zero else Silent()
    with translate_resource_errors(folder, problem.settings):
        return _Training(problem, recipe, stages, device_module(net, fabric), files, shown).run()


def fresh_supernet(problem: SupernetProblem) -> ElasticNet:
    """The untrained supernet of the problem's space. Raises UsageError as `build_net` does."""
    with seeded(problem.settings.seed):
        return build_net(problem.space, problem.settings.checkpointing)


@dataclass
class _Training:
    """A running training."""

    problem: SupernetProblem
    recipe: SupernetRecipe
    stages: tuple[Stage, ...]
    net: ElasticNet
    files: SupernetFolder
    progress: Progress

    def run(self) -> SupernetResult:
        """Run the remaining stages."""
        fabric, settings = self.files.fabric, self.problem.settings
        saved = self.files.load(self.recipe.identity)
        names = [stage.name for stage in self.stages]
        self.seconds: dict[str, float] = {**dict.fromkeys(names, 0.0), **saved.get("seconds", {})}
        rows = {**{name: [] for name in names}, **saved.get("rows", {})}
        self.files.write(lambda: self.problem.space.save(self.files.file("space")))
        with threads(settings.threads), exact(settings.deterministic, fabric.device), self._writer() as writer:
            self.curves = Curves(writer, self.problem.space, rows)
            for number in range(int(saved.get("number", 0)), len(self.stages)):
                self._run_stage(number, saved)
                saved = {}
            return self._finish()

    def _writer(self) -> AbstractContextManager[SummaryWriter | None]:
        """TensorBoard writer, in the first process."""
        first = self.files.fabric.is_global_zero
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self.files.file("tensorboard"))) if first else nullcontext()

    def _run_stage(self, number: int, saved: dict[str, Any]) -> None:
        """Run a stage from its beginning, or from the checkpoint."""
        stage, settings, fabric = self.stages[number], self.problem.settings, self.files.fabric
        if stage.sorts and not saved:
            self.net.sort_channels(self._in_use(number))
        phase = CurriculumPhase(self.problem, self.net, stage, number, fabric)
        start = 0
        if saved:
            with reading(self.files.file("checkpoint"), "a checkpoint of this supernet"):
                phase.load_state(saved.pop("phase"))
            start = int(saved["step"])
        began, before = time.monotonic(), self.seconds[stage.name]

        def save(step: int) -> None:
            self.seconds[stage.name] = before + time.monotonic() - began
            content = {"of": self.recipe.identity, "number": number, "step": step, "phase": phase.state()}
            self.files.save({**content, "rows": self.curves.rows, "seconds": self.seconds})

        def note(row: Row) -> None:
            self.curves.note(stage.name, row, before + time.monotonic() - began)

        run_phase(phase, start, Checkpointer(save, settings.checkpoint_seconds, fabric), self.progress, note)
        self.files.write(lambda: self.curves.save(self.files.file("history")))

    def _in_use(self, number: int) -> list[Architecture]:
        """Architectures that an earlier stage trained with fewer channels: they keep theirs."""
        ranks: dict[str, set[int]] = {dimension: set() for dimension in SORTED}
        for stage in self.stages[:number]:
            for choice, options in zip(self.problem.space.choices, stage.options, strict=True):
                ranks.get(dimension_of(choice.name), set()).update(options)
        every = itertools.product(*(found or {0} for found in ranks.values()))
        return [self.net.at_options(dict(zip(SORTED, one, strict=True))) for one in every]

    def _finish(self) -> SupernetResult:
        """Judge the smallest, the largest and some random sub-networks, and write weights and result."""
        problem, files = self.problem, self.files
        check_weights(self.net.state_dict().values(), self.stages[-1].name)
        judge = SubnetJudge(self.net, problem.parts, problem.settings, files.fabric)
        rng = random.Random(problem.settings.seed)
        drawn = [problem.space.sample(rng) for _ in range(problem.settings.random_subnets)]
        smallest, largest, *others = _judged(judge, [self.net.smallest, self.net.largest, *drawn])

        def written() -> bytes:
            path = files.file("weights")
            save_weights(self.net.state_dict(), path)
            result = SupernetResult(
                name=files.path.name,
                space=problem.space.name,
                curriculum=problem.curriculum_name,
                task=problem.task.name,
                smallest=smallest,
                largest=largest,
                random=tuple(others),
                seconds=self.seconds,
                weights_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            )
            result.save(files.file("result"))
            return result.model_dump_json().encode()

        return SupernetResult.model_validate_json(broadcast_from_main(written, files.fabric))


def _judged(judge: SubnetJudge, architectures: Iterable[Architecture]) -> list[Judged]:
    found = []
    for architecture in architectures:
        module = judge.module(architecture)
        scores = {images: judge.score(module, architecture, images) for images in ("validation", "test")}
        found.append(Judged(architecture=architecture, **scores))
    return found
