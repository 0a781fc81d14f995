"""The whole of a search: learn, derive, train, export, with every file under one folder."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from latkit.errors import BadFile, UsageError
from latkit.modules import build_module
from latkit.progress import Progress, Silent
from latkit.search.assembly import make_search_phase
from latkit.search.checkpoint import load_checkpoint, save_checkpoint
from latkit.search.checks import check_data
from latkit.search.curves import Curves
from latkit.search.data import DataSplit
from latkit.search.derive import Derived, check_reach, derive
from latkit.search.distillation import check_teacher
from latkit.search.finish import finish
from latkit.search.loop import Keeper, Phase, Row, run_phase
from latkit.search.machine import fabric_of, seeded, threads
from latkit.search.result import FILES, Recipe, SearchResult, load_record
from latkit.search.settings import SearchSettings
from latkit.search.supernet import Supernet
from latkit.search.train import TrainingPhase
from latkit.search.trained import TrainedNetwork
from latkit.search.warmup import WARM_UP_FILE, check_warm_up, warmed_up
from latkit.search.weights import device_module
from latkit.spaces import Space
from latkit.tables import LatencyTable


def run_search(
    space: Space,
    table: LatencyTable,
    data: DataSplit,
    target_latency_s: float,
    settings: SearchSettings,
    folder: Path,
    progress: Progress | None = None,
    resume: bool = False,
    fabric: Fabric | None = None,
    warm_up: Path | None = None,
    teacher: TrainedNetwork | None = None,
) -> SearchResult:
    """Search `space` for the most accurate network at a latency in seconds, and train it (Cai et al. 2019).

    Everything is written under `folder` (see `FILES`); `resume` goes on from its checkpoint, and of a finished search
    gives the result. Without `fabric`, one device as the settings say. `warm_up`: the `warmup.pt` of a search that
    differs in table and target alone, to begin from; what is found is the same, bit for bit. `teacher`: what the
    derived network learns from besides the labels, as `load_network` gives it.

    Raises, before anything is written, UsageError where space, table and data do not belong together or the folder
    holds another search, and TargetOutOfReach where every network is slower than the target. Raises LatkitError
    where a loss is no longer a number.
    """
    table.check_space(space)
    check_data(space, data)
    if teacher is not None:
        check_teacher(teacher, data)
    binding = check_reach(table, target_latency_s)
    if fabric is None:
        fabric = fabric_of(settings)
    recipe = Recipe.of(space, table, data, target_latency_s, settings, teacher.facts if teacher else None)
    if warm_up is not None:
        check_warm_up(warm_up, recipe)
    finished = _open_folder(folder, recipe, resume)
    if finished is not None:
        return finished
    search = _Search(
        space, table, data, target_latency_s, settings, folder, fabric, binding, progress or Silent(), warm_up, teacher
    )
    return search.run()


def _open_folder(folder: Path, recipe: Recipe, resume: bool) -> SearchResult | None:
    """Make the folder ready; the result where the search is finished already. Raises UsageError."""
    recipe_path, result_path = folder / FILES["recipe"], folder / FILES["result"]
    if recipe_path.exists():
        if not resume:
            state = "a finished" if result_path.exists() else "an unfinished"
            raise UsageError(f"{folder} holds {state} search; resume it, or search into another folder")
        recipe.check_same(load_record(Recipe, recipe_path), recipe_path)
        return load_record(SearchResult, result_path) if result_path.exists() else None
    if resume:
        raise UsageError(f"{folder}: expected a search to resume, but found none")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: expected a folder to search into, but found a file")
    folder.mkdir(parents=True, exist_ok=True)
    recipe.save(recipe_path)
    return None


@dataclass
class _Search:
    """One search under way."""

    space: Space
    table: LatencyTable
    data: DataSplit
    target_s: float
    settings: SearchSettings
    folder: Path
    fabric: Fabric
    binding: bool
    progress: Progress
    warm_up: Path | None
    teacher: TrainedNetwork | None

    def run(self) -> SearchResult:
        """Do what is left to do."""
        saved = self._saved()
        with threads(self.settings.threads), SummaryWriter(str(self._path("tensorboard"))) as writer:
            self.curves = Curves(writer, self.space, saved.get("rows"))
            return self._run_phases(saved)

    def _run_phases(self, saved: dict[str, Any]) -> SearchResult:
        self.seconds: dict[str, float] = dict(saved.get("seconds", {"search": 0.0, "training": 0.0}))
        self.space.save(self._path("space"))
        self.table.save(self._path("table"))
        supernet, phase = make_search_phase(
            self.space, self.table, self.data, self.target_s, self.settings, self.fabric, self.binding
        )
        if not saved and self.warm_up is not None:
            saved = warmed_up(self.warm_up, phase)
            self.curves.rows = saved["rows"]
        self.warmed_by: str = saved.get("warm_up", "")
        if saved.get("stage") == "training":
            derived = Derived(**saved["derived"])
            start = self._module(derived, None)
        else:
            self._run(phase, saved, {})
            derived = derive(phase.distribution, self.table, self.target_s)
            start = self._module(derived, supernet if self.settings.inherit_weights else None)
            saved = {}
        network = self.space.decode(derived.architecture, self.folder.name)
        network.save(self._path("architecture"))
        training = TrainingPhase(start, self.data, self.settings, self.fabric, self.teacher)
        self._run(training, saved, {"derived": dataclasses.asdict(derived)})
        expected_s = self.curves.rows["search"][-1]["expected_latency_s"]
        return finish(
            self.folder,
            network,
            training.finish(),
            derived,
            self.table,
            self.target_s,
            self.data,
            self.settings,
            self.fabric,
            expected_s,
            self.seconds,
            (f"the warm-up is that of {self.warmed_by}, its time counted there",) if self.warmed_by else (),
        )

    def _module(self, derived: Derived, supernet: Supernet | None) -> nn.Module:
        """The derived network with fresh weights, or with those that the supernet has."""
        with seeded(self.settings.seed + 1):
            module = build_module(self.space.decode(derived.architecture))
        if supernet is not None:
            module.load_state_dict(supernet.path_module(derived.architecture).state_dict())
        return device_module(module, self.fabric)

    def _run(self, phase: Phase, saved: dict[str, Any], extra: dict[str, Any]) -> None:
        """Run a phase from where the checkpoint left it, writing checkpoints as it goes."""
        start = 0
        if saved.get("stage") == phase.name:
            phase.load_state(saved["phase"])
            start = int(saved["step"])
        began, before = time.monotonic(), self.seconds[phase.name]

        def save(step: int) -> None:
            self.seconds[phase.name] = before + time.monotonic() - began
            content = {"stage": phase.name, "step": step, "phase": phase.state(), "warm_up": self.warmed_by, **extra}
            content |= {"rows": self.curves.rows, "seconds": self.seconds}
            save_checkpoint(self._path("checkpoint"), content)
            if phase.name == "search" and step == self.settings.warmup_epochs * phase.steps_per_epoch:
                save_checkpoint(self.folder / WARM_UP_FILE, content)

        def note(row: Row) -> None:
            self.curves.note(phase.name, row)

        keeper = Keeper(save, self.settings.checkpoint_seconds)
        if start == 0 and phase.name == "training":
            keeper.keep(0)  # from here on, resuming does not search again
        run_phase(phase, start, keeper, self.progress, note)
        self.curves.save(self._path("history"))

    def _saved(self) -> dict[str, Any]:
        path = self._path("checkpoint")
        if not path.exists():
            return {}
        saved = load_checkpoint(path)
        if not {"stage", "step", "phase", "rows", "seconds"} <= saved.keys():
            raise BadFile(path, "a checkpoint of a search", "one that lacks some of its parts")
        return saved

    def _path(self, what: str) -> Path:
        return self.folder / FILES[what]
