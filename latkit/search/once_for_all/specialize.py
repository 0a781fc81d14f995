"""One sub-network for one latency: found by prediction, checked with real weights, written as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Literal

from safetensors.torch import save_file

from latkit._io import make_folder
from latkit.errors import UsageError
from latkit.ops import Network
from latkit.search.gradient.settings import SearchSettings
from latkit.search.once_for_all.evaluated import Evaluations
from latkit.search.once_for_all.evolution import Candidate, EvolutionPlan, Predict, evolve
from latkit.search.once_for_all.trained import TrainedSupernet
from latkit.search.records.base import Record
from latkit.search.records.result import FILES, ExportFacts
from latkit.search.training.exports import export
from latkit.spaces.base import Architecture
from latkit.tables import ElasticTable

RESULT_FILE = "specialized.json"


class Specialized(Record):
    """A sub-network for one target and latency."""

    format: Literal["latkit-specialized-1"] = "latkit-specialized-1"
    weights_sha256: str
    """Of the supernet."""
    target: str
    latency_s: float
    predicted_s: float
    architecture: tuple[int, ...]
    predicted_score: float
    validation: float
    test: float
    random_validation: tuple[float, ...]
    """Of random sub-networks of the same latency, with the same weights."""
    exports: dict[str, ExportFacts]
    notes: tuple[str, ...]
    measured_s: float | None = None

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


@dataclass(frozen=True, slots=True)
class Specializer:
    """Finds sub-networks of one supernet."""

    trained: TrainedSupernet
    evaluations: Evaluations
    predict: Predict
    plan: SpecializePlan

    def find(self, table: ElasticTable, target: str, latency_s: float, folder: Path) -> Specialized:
        """Search, check, and write the network's files into a folder. Raises UsageError with the range."""
        plan, space = self.plan, self.trained.space
        found = self._candidates(table, latency_s, self.evaluations.ranked(self.predict))
        best = max(found[: plan.candidates], key=lambda one: self.evaluations.rank(one.architecture))
        network = space.decode(best.architecture, f"{space.name}-{1e3 * latency_s:.4g}ms")
        exports, notes, test = self._write(network, best.architecture, folder)
        result = Specialized(
            weights_sha256=self.trained.result.weights_sha256,
            target=target,
            latency_s=latency_s,
            predicted_s=best.seconds,
            architecture=best.architecture,
            predicted_score=self.evaluations.metric.rank(best.accuracy),
            validation=self.evaluations.score(best.architecture),
            test=test,
            random_validation=tuple(self._random_scores(table, latency_s)),
            exports=exports,
            notes=notes,
        )
        result.save(folder / RESULT_FILE)
        return result

    def _candidates(self, table: ElasticTable, latency_s: float, predict: Predict) -> list[Candidate]:
        plan = self.plan
        found = evolve(table, predict, latency_s, plan.seed, EvolutionPlan(min_share=plan.min_share))
        if not found:
            raise UsageError(
                f"expected a sub-network from {plan.min_share:.0%} to 100 % of {1e3 * latency_s:.4g} ms, but found "
                f"none; those of space {table.space.name} take {1e3 * table.min():.4g} to {1e3 * table.max():.4g} ms"
            )
        return found

    def _random_scores(self, table: ElasticTable, latency_s: float) -> list[float]:
        """Scores of random ones of the latency: those that an evolution passes on its way there, with no accuracy."""
        found = self._candidates(table, latency_s, lambda features: 0.0 * features[:, 0])
        step = max(1, len(found) // max(1, self.plan.randoms))
        return [self.evaluations.score(one.architecture) for one in found[::step][: self.plan.randoms]]

    def _write(
        self, network: Network, architecture: Architecture, folder: Path
    ) -> tuple[dict[str, ExportFacts], tuple[str, ...], float]:
        """Weights, ONNX and TFLite files, and the test score."""
        make_folder(folder)
        judge = self.trained.judge
        module = judge.module(architecture)
        test = judge.score(module, architecture, "test")
        module = module.cpu().eval()
        network.save(folder / FILES["architecture"])
        save_file({name: one.contiguous() for name, one in module.state_dict().items()}, folder / FILES["weights"])
        data, _ = judge.images(architecture)
        exports, notes = export(
            folder, network, module, data, SearchSettings.quick(task=self.trained.recipe.settings.task)
        )
        return exports, notes, test
