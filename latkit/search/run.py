"""The whole of a search: learn, derive, train, export, with every file under one folder."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from latkit.errors import BadFile, UsageError
from latkit.modules import build_module
from latkit.ops import Network
from latkit.progress import Progress, Silent
from latkit.runtimes import runtime_named
from latkit.runtimes.export import export_module
from latkit.search.checkpoint import load_checkpoint, save_checkpoint
from latkit.search.curves import Curves
from latkit.search.data import DataSplit
from latkit.search.derive import Derived, check_reach, derive
from latkit.search.distribution import PathDistribution
from latkit.search.gates import BinaryGates
from latkit.search.learner import GradientLearner
from latkit.search.loop import Keeper, Phase, Row, run_phase
from latkit.search.objective import Additive, Constraint, Multiplicative, Objective
from latkit.search.result import FILES, Recipe, SearchResult, load_record
from latkit.search.searching import SearchPhase, feeders
from latkit.search.settings import SearchSettings
from latkit.search.supernet import Supernet
from latkit.search.train import TrainingPhase
from latkit.search.weights import device_module, evaluate
from latkit.spaces import Space
from latkit.tables import LatencyTable

LEAST_IMAGES = 8
"""Fewer training images cannot be halved into batches that batch norm can work with."""


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
) -> SearchResult:
    """Search `space` for the most accurate network at a latency in seconds, and train it (Cai et al. 2019).

    Everything is written under `folder` (see `FILES`); `resume` goes on from its checkpoint, and of a finished search
    gives the result. Without `fabric`, one device as the settings say.

    Raises, before anything is written, UsageError where space, table and data do not belong together or the folder
    holds another search, and TargetOutOfReach where every network is slower than the target. Raises LatkitError
    where a loss is no longer a number.
    """
    table.check_space(space)
    check_data(space, data)
    binding = check_reach(table, target_latency_s)
    if fabric is None:
        fabric = _fabric(settings)
    recipe = Recipe.of(space, table, data, target_latency_s, settings)
    finished = _open_folder(folder, recipe, resume)
    if finished is not None:
        return finished
    search = _Search(space, table, data, target_latency_s, settings, folder, fabric, binding, progress or Silent())
    return search.run()


def _fabric(settings: SearchSettings) -> Fabric:
    """One device, as the settings name it. Raises UsageError where there is none such."""
    try:
        return Fabric(accelerator=settings.accelerator, devices=1, precision=settings.precision)
    except (ValueError, RuntimeError, ImportError) as error:
        raise UsageError(
            f"expected an accelerator that this machine has, but found {settings.accelerator!r}: {error}"
        ) from error


def check_data(space: Space, data: DataSplit) -> None:
    """Raise UsageError unless the images fit the space's input and the classes its output."""
    if space.input_shape != data.shape:
        raise UsageError(
            f"space {space.name} expects images of shape {space.input_shape}, but data {data.name} has {data.shape}"
        )
    if space.output_shape != (data.classes,):
        raise UsageError(
            f"space {space.name} gives {space.output_shape[0]} classes, but data {data.name} has {data.classes}"
        )
    if len(data.train.labels) < LEAST_IMAGES:
        raise UsageError(
            f"expected at least {LEAST_IMAGES} training images, but data {data.name} has {len(data.train.labels)}"
        )


def make_objective(target_s: float, settings: SearchSettings, architecture_steps: int, binding: bool) -> Objective:
    """The objective that the settings name."""
    weight = settings.penalty_weight
    if settings.penalty == "additive":
        return Additive(target_s, 0.2 if weight is None else weight)
    if settings.penalty == "multiplicative":
        return Multiplicative(target_s, 0.6 if weight is None else weight)
    rate = settings.multiplier_rate or 30 / architecture_steps
    return Constraint(target_s, rate, settings.damping, binding)


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

    def run(self) -> SearchResult:
        """Do what is left to do."""
        saved = self._saved()
        with _threads(self.settings.threads), SummaryWriter(str(self._path("tensorboard"))) as writer:
            self.curves = Curves(writer, self.space, saved.get("rows"))
            return self._run_phases(saved)

    def _run_phases(self, saved: dict[str, Any]) -> SearchResult:
        self.seconds: dict[str, float] = dict(saved.get("seconds", {"search": 0.0, "training": 0.0}))
        self.space.save(self._path("space"))
        self.table.save(self._path("table"))
        supernet, phase = self._search_phase()
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
        training = TrainingPhase(start, self.data, self.settings, self.fabric)
        self._run(training, saved, {"derived": dataclasses.asdict(derived)})
        return self._finish(network, derived, training.finish())

    def _search_phase(self) -> tuple[Supernet, SearchPhase]:
        settings = self.settings
        with _seeded(settings.seed):
            supernet = device_module(Supernet(self.space), self.fabric)
        distribution = PathDistribution(self.space)
        weight_feeder, architecture_feeder = feeders(self.data, settings, self.fabric)
        architecture_steps = max(settings.epochs * weight_feeder.batches_per_pass // settings.weight_steps, 1)
        objective = make_objective(self.target_s, settings, architecture_steps, self.binding)
        rate = settings.architecture_learning_rate or min(max(16 / architecture_steps, 1e-3), 0.2)
        learner = GradientLearner(
            supernet,
            distribution,
            self.table,
            objective,
            BinaryGates(),
            self.fabric,
            rate,
            settings.label_smoothing,
        )
        phase = SearchPhase(
            supernet,
            distribution,
            self.table,
            objective,
            learner,
            weight_feeder,
            architecture_feeder,
            settings,
            self.fabric,
        )
        return supernet, phase

    def _module(self, derived: Derived, supernet: Supernet | None) -> nn.Module:
        """The derived network with fresh weights, or with those that the supernet has."""
        with _seeded(self.settings.seed + 1):
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
            content = {"stage": phase.name, "step": step, "phase": phase.state(), **extra}
            save_checkpoint(self._path("checkpoint"), {**content, "rows": self.curves.rows, "seconds": self.seconds})

        def note(row: Row) -> None:
            self.curves.note(phase.name, row)

        keeper = Keeper(save, self.settings.checkpoint_seconds)
        if start == 0 and phase.name == "training":
            keeper.keep(0)  # from here on, resuming does not search again
        run_phase(phase, start, keeper, self.progress, note)
        self.curves.save(self._path("history"))

    def _finish(self, network: Network, derived: Derived, module: nn.Module) -> SearchResult:
        accuracy = evaluate(module, self.data, self.data.test, self.fabric)
        module = module.cpu().eval()
        state = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
        save_file(state, self._path("weights"))
        export_module(runtime_named("onnxruntime"), module, network.input_shape, self._path("onnx"))
        search_rows = self.curves.rows["search"]
        result = SearchResult(
            name=network.name,
            space=self.space.name,
            target_latency_s=self.target_s,
            predicted_latency_s=derived.predicted_s,
            expected_latency_s=search_rows[-1]["expected_latency_s"],
            strongest_latency_s=derived.strongest_s,
            swaps=derived.swaps,
            accuracy=accuracy,
            macs=network.macs,
            parameters=network.parameters,
            architecture=derived.architecture,
            ops=tuple(op.title for op in network.ops),
            seconds=self.seconds,
            notes=self._notes(derived),
            files=FILES,
        )
        result.save(self._path("result"))
        return result

    def _notes(self, derived: Derived) -> tuple[str, ...]:
        slowest_s, target_ms = self.table.slowest(), self.target_s * 1e3
        if not self.binding:
            return (
                f"the target of {target_ms:.4g} ms does not bind: the slowest network of the space takes "
                f"{slowest_s * 1e3:.4g} ms",
            )
        share = derived.predicted_s / self.target_s
        if share < 0.98:
            return (f"no architecture lies within 2 % of the target; this one takes {share:.1%} of it",)
        return ()

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


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """So many threads within, and as many as before after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """torch's CPU generator seeded within, and put back after: initial weights are drawn from it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
