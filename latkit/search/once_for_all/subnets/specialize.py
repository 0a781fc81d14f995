"""One sub-network for one latency: found, checked with real weights, fine-tuned on request, written as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from torch import nn

from latkit._io import make_folder
from latkit.ops import Network
from latkit.progress import Progress, Silent
from latkit.search.data import DataSplit
from latkit.search.gradient.settings import SearchSettings
from latkit.search.once_for_all.subnets.candidates import ByPrediction, FindCandidates, draw_at
from latkit.search.once_for_all.subnets.evaluated import Evaluations
from latkit.search.once_for_all.subnets.evolution import Candidate, Predict
from latkit.search.once_for_all.subnets.expected import ExpectedScore
from latkit.search.once_for_all.subnets.quantized import write_quantized
from latkit.search.once_for_all.trained import TrainedSupernet
from latkit.search.records.base import Record
from latkit.search.records.result import FILES, ExportFacts
from latkit.search.training.exports import export, export_runtimes
from latkit.search.training.finetune import finetune
from latkit.search.training.trained_network import save_weights
from latkit.spaces.base import Architecture
from latkit.tables import ElasticTable
from latkit.targets import Target

RESULT_FILE = "specialized.json"
SPECIALIZED = "specialized"
"""In a supernet's folder: a folder for every target and latency."""

FINETUNE_RATE = 0.1
"""Peak learning rate of fine-tuning, relative to that of the supernet's training."""


class SearchFacts(Record):
    """What a search began with: with other values it finds another sub-network."""

    seed: int
    evaluations: int
    strategy_settings: dict[str, Any]


class Specialized(Record):
    """A sub-network for one target and latency."""

    format: Literal["latkit-specialized-1"] = "latkit-specialized-1"
    weights_sha256: str
    """Of the supernet."""
    target: str
    latency_s: float
    predicted_s: float
    architecture: tuple[int, ...]
    predicted_score: float | None
    """By the score predictor; None where a strategy evaluated it instead, or where a random one was the best."""
    validation: float
    """With the supernet's weights."""
    test: float
    """Of the network that was written: by running the quantized file, where there is one."""
    random_validation: tuple[float, ...]
    """Of random sub-networks of the same latency, with the same weights."""
    exports: dict[str, ExportFacts]
    notes: tuple[str, ...]
    measured_s: float | None = None
    strategy: str | None = None
    """That found it; None for evolution over predictions."""
    search: SearchFacts | None = None
    """None in files of earlier releases."""
    finetune_epochs: int = 0
    inherited_test: float | None = None
    """Test score with the supernet's weights, before fine-tuning; None without any."""
    fp32_test: float | None = None
    """Test score of the fp32 weights that were quantized; None where the target runs fp32."""

    @property
    def random_mean(self) -> float | None:
        """Mean validation score of the random ones; None without any."""
        return fmean(self.random_validation) if self.random_validation else None


@dataclass(frozen=True, slots=True)
class SpecializePlan:
    """How much is done for one latency."""

    candidates: int = 5
    """The best predicted ones, which are evaluated with real weights."""
    randoms: int = 5
    """Random sub-networks of the latency, for comparison."""
    min_share: float = 0.98
    """Least share of the latency that is used."""
    seed: int = 0
    finetune_epochs: int = 0
    """Epochs of training that the network found gets of its own."""
    strategy: str | None = None
    """For the record, as the following."""
    strategy_settings: Mapping[str, Any] = field(default_factory=dict)
    evaluations: int = 0

    @property
    def search(self) -> SearchFacts:
        """For the record of what is found."""
        return SearchFacts(seed=self.seed, evaluations=self.evaluations, strategy_settings=dict(self.strategy_settings))


@dataclass(frozen=True, slots=True)
class Specializer:
    """Finds sub-networks of one supernet."""

    trained: TrainedSupernet
    evaluations: Evaluations
    find_candidates: FindCandidates
    plan: SpecializePlan
    progress: Progress = field(default_factory=Silent)
    expected: ExpectedScore | None = None
    """Chooses among the evaluated ones; without it, their scores on validation images do."""

    def find(self, table: ElasticTable, target: str, latency_s: float, folder: Path) -> Specialized:
        """Search, check, and write the network's files into a folder. Raises UsageError with the range."""
        plan, space = self.plan, self.trained.space
        found = self.find_candidates(table, latency_s, folder)
        randoms = draw_at(table, latency_s, plan.randoms, plan.seed, plan.min_share) if plan.randoms else []
        best = max([*found[: plan.candidates], *randoms], key=self._rank)
        module, inherited = self._module(best.architecture)
        judge, network = self.trained.judge, space.decode(best.architecture, f"{space.name}-{1e3 * latency_s:.4g}ms")
        test = judge.score(module, best.architecture, "test")
        settings = self._export_settings(target)
        exports, notes = write_files(network, module, judge.images(best.architecture)[0], folder, settings)
        quantized, note = write_quantized(judge, best.architecture, network, module, folder, Target.parse(target))
        result = Specialized(
            weights_sha256=self.trained.result.weights_sha256,
            target=target,
            latency_s=latency_s,
            predicted_s=best.seconds,
            architecture=best.architecture,
            predicted_score=self._predicted(found, best),
            validation=self.evaluations.score(best.architecture),
            test=test if quantized is None else quantized.test,
            random_validation=tuple(self.evaluations.score(one.architecture) for one in randoms),
            exports=exports if quantized is None else {**exports, quantized.what: quantized.facts},
            notes=(*notes, *note),
            strategy=plan.strategy,
            search=plan.search,
            finetune_epochs=plan.finetune_epochs,
            inherited_test=inherited,
            fp32_test=None if quantized is None else test,
        )
        result.save(folder / RESULT_FILE)
        return result

    def _rank(self, one: Candidate) -> float:
        """Larger for a better one, by its evaluation with real weights."""
        score = self.evaluations.score(one.architecture)
        if self.expected:
            score = self.expected(one.architecture, score, self.evaluations.losses.get(one.architecture))
        return self.evaluations.metric.rank(score)

    def _export_settings(self, target: str) -> SearchSettings:
        """A file that may be left out is written only where the target runs it: that takes seconds."""
        runs = Target.parse(target).runtime
        chosen = {one.export_setting: one.name == runs for one in export_runtimes().values() if one.export_setting}
        return SearchSettings.quick(task=self.trained.recipe.settings.task, **chosen)

    def _predicted(self, found: list[Candidate], best: Candidate) -> float | None:
        """The prediction of the best; None where a strategy evaluated it, and for a random one that was not found."""
        predicted = {one.architecture: one.score for one in found}.get(best.architecture)
        return None if self.plan.strategy or predicted is None else self.evaluations.metric.rank(predicted)

    def _module(self, architecture: Architecture) -> tuple[nn.Module, float | None]:
        """The sub-network, and its test score before fine-tuning if there is any."""
        judge, epochs = self.trained.judge, self.plan.finetune_epochs
        module = judge.module(architecture)
        if not epochs:
            return module, None
        inherited = judge.score(module, architecture, "test")
        base = self.trained.recipe.settings
        settings = SearchSettings.make(
            task=base.task,
            seed=self.plan.seed,
            training_epochs=epochs,
            training_batch_size=base.batch_size,
            training_learning_rate=FINETUNE_RATE * base.learning_rate,
            label_smoothing=base.label_smoothing,
            crop_padding=base.crop_padding,
            flip=base.flip,
            evaluation_epochs=0,
            threads=base.threads,
        )
        return finetune(module, judge.images(architecture)[0], settings, self.progress), inherited


def write_files(
    network: Network, module: nn.Module, data: DataSplit, folder: Path, settings: SearchSettings
) -> tuple[dict[str, ExportFacts], tuple[str, ...]]:
    """A network's record, weights and ONNX file, and its TFLite file where the settings ask for one."""
    make_folder(folder)
    module = module.cpu().eval()
    network.save(folder / FILES["architecture"])
    save_weights(module.state_dict(), folder / FILES["weights"])
    return export(folder, network, module, data, settings)


def predictions(evaluations: Evaluations, predict: Predict, plan: SpecializePlan) -> ByPrediction:
    """The usual way to candidates: evolution over a score predictor."""
    return ByPrediction(evaluations.ranked(predict), plan.seed, plan.min_share)
