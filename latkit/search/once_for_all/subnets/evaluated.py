"""Sub-networks evaluated with a supernet's weights, saved one by one, and the predictor that learns from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from latkit._io import reading
from latkit._io.arrays import Integers
from latkit.errors import UsageError
from latkit.progress import Progress
from latkit.search.evaluators.verdict import Verdict
from latkit.search.history import EXPECTED, FORMAT, Entry, History
from latkit.search.once_for_all.subnets.evolution import EvolutionPlan, Predict, evolve
from latkit.search.once_for_all.subnets.score_by_loss import ScoreByLoss
from latkit.search.once_for_all.subnets.score_predictor import PredictorReport, ScorePredictor
from latkit.search.once_for_all.trained import TrainedSupernet
from latkit.search.once_for_all.training.nets import as_elastic
from latkit.search.tasks.names import DEFAULT_METRIC
from latkit.spaces.base import Architecture
from latkit.tables import ElasticTable

EVALUATED_FILE = "evaluated.jsonl"
"""In a supernet's folder: every sub-network that was evaluated with its weights."""
PREDICTOR_FILE = f"{DEFAULT_METRIC}-predictor.json"
PREDICTOR_REPORT_FILE = f"{DEFAULT_METRIC}-predictor-report.json"
"""How well it predicts sub-networks that were held out."""

HELD_OUT_SHARE = 0.2
MAX_STRIDE = 7
"""Of the best sub-networks of a search, at least every seventh is evaluated: neighbors differ little."""
SHORT = EvolutionPlan(population=40, generations=20)
"""Where a search goes: enough to be near the front."""


class Evaluations:
    """The validation metric and loss of sub-networks; each is evaluated once, and saved before the next."""

    def __init__(
        self, folder: Path, trained: TrainedSupernet, judge: Callable[[Architecture], tuple[float, float]]
    ) -> None:
        """Continues the folder's file. `judge` gives metric and loss. Raises BadFile for a file of other weights."""
        self.metric = trained.result.metric
        self.evaluator = f"shared-weights-{trained.result.weights_sha256[:12]}"
        header: dict[str, object] = {
            "format": FORMAT,
            "space_key": trained.space.key,
            "evaluator": self.evaluator,
            "metric": self.metric.name,
        }
        ranges = {self.metric.name: (self.metric.lowest, self.metric.highest)}
        self._history = History(folder / EVALUATED_FILE, header, ranges)
        self._judge = judge
        with reading(folder / EVALUATED_FILE, EXPECTED):
            entries = list(self._history.entries.values())
            self.known = dict(scored(one, self.metric.name) for one in entries)
        self.losses = {
            one.architecture: one.verdict.quantities["loss"] for one in entries if "loss" in one.verdict.quantities
        }
        """Those that earlier versions evaluated have none."""

    def score(self, architecture: Architecture) -> float:
        """The metric of one sub-network in canonical form."""
        found = self.known.get(architecture)
        if found is None:
            found, loss = self._judge(architecture)
            quantities = {self.metric.name: found}
            if math.isfinite(loss):
                quantities["loss"] = self.losses[architecture] = loss
            self.known[architecture] = found
            self._history.append(Entry(len(self.known) - 1, architecture, Verdict(quantities, {"evaluations": 1.0})))
        return found

    def rank(self, architecture: Architecture) -> float:
        """The score as a number that is larger for a better one."""
        return self.metric.rank(self.score(architecture))

    def score_by_loss(self, architectures: Sequence[Architecture]) -> ScoreByLoss:
        """Scores with less noise, as these sub-networks' losses say."""
        scores = [self.score(one) for one in architectures]
        return ScoreByLoss.fit(scores, [self.losses.get(one) for one in architectures])

    def ranked(self, predict: Predict) -> Predict:
        """Predicted scores as numbers that are larger for better ones, which evolution maximizes."""
        return predict if self.metric.larger_is_better else lambda features: -predict(features)


def scored(entry: Entry, metric: str) -> tuple[Architecture, float]:
    """The sub-network of an entry and its score. Raises UsageError for an entry without one."""
    if metric not in entry.verdict.quantities:
        raise UsageError(f"no {metric} of sub-network {entry.number}")
    return entry.architecture, entry.verdict.quantities[metric]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A predictor, and how well it does."""

    predictor: ScorePredictor
    report: PredictorReport
    by_loss: ScoreByLoss = field(default_factory=ScoreByLoss)
    """Gives the scores that the predictor learned from."""


def fit_predictor(
    trained: TrainedSupernet, evaluations: Evaluations, count: int, seed: int, progress: Progress
) -> Fitted:
    """Evaluate `count` sub-networks and learn from them; a fifth is held out, and learned from after it has judged.

    The first half is drawn uniformly. The second is where searches go: the best that a first predictor finds at
    latencies over the whole range, with MACs in place of seconds, so that it serves every target.
    """
    macs = ElasticTable(as_elastic(trained.space, "a predictor of sub-networks"), lambda _, op: float(op.macs))
    generator = np.random.default_rng(seed)
    drawn = _distinct(macs.arrays.draw(4 * count, generator))
    first, spare = drawn[: count // 2], drawn[count // 2 :]
    _evaluate(first, evaluations, progress)
    predict = evaluations.ranked(
        _learn(macs, first, evaluations, evaluations.score_by_loss(first), seed, "ridge").predict
    )
    near = _near_front(macs, predict, count - len(first), seed, set(first))
    second = list(dict.fromkeys((*near, *spare)))[: count - len(first)]
    _evaluate(second, evaluations, progress)
    order = [[*first, *second][at] for at in generator.permutation(len(first) + len(second))]
    held = order[: max(2, int(HELD_OUT_SHARE * len(order)))]
    learned = order[len(held) :]
    truth = np.array([evaluations.score(one) for one in held])
    judged = _learn(macs, learned, evaluations, evaluations.score_by_loss(learned), seed)
    report = judged.judge(macs.arrays.features(np.array(held)), truth, len(learned))
    by_loss = evaluations.score_by_loss(order)
    return Fitted(_learn(macs, order, evaluations, by_loss, seed, judged.kind), report, by_loss)


def _evaluate(architectures: list[Architecture], evaluations: Evaluations, progress: Progress) -> None:
    for done, one in enumerate(architectures, start=1):
        evaluations.score(one)
        progress.advance("evaluating sub-networks", done, len(architectures))


def _learn(
    macs: ElasticTable,
    rows: list[Architecture],
    evaluations: Evaluations,
    by_loss: ScoreByLoss,
    seed: int,
    kind: str = "",
) -> ScorePredictor:
    scores = np.array([evaluations.score(one) for one in rows])
    learned = np.array(
        [by_loss(float(score), evaluations.losses.get(one)) for one, score in zip(rows, scores, strict=True)]
    )
    features = macs.arrays.features(np.array(rows))
    return ScorePredictor.fit(features, learned, seed, macs.space.key, kind, observed=scores)


def _near_front(
    macs: ElasticTable, predict: Predict, count: int, seed: int, known: set[Architecture]
) -> list[Architecture]:
    """Good sub-networks at ten amounts of work, evenly spaced; fewer where there are no more."""
    limits = np.linspace(macs.min(), macs.max(), 12)[1:-1]
    pools = [evolve(macs, predict, float(limit), seed + at, SHORT) for at, limit in enumerate(limits)]
    pools = [pool[:: min(MAX_STRIDE, max(1, len(pool) * len(limits) // max(count, 1)))] for pool in pools]
    found: dict[Architecture, None] = {}
    for rank in range(max(map(len, pools), default=0)):
        for pool in pools:
            if rank < len(pool) and pool[rank].architecture not in known and len(found) < count:
                found[pool[rank].architecture] = None
    return list(found)


def _distinct(rows: Integers) -> list[Architecture]:
    return list(dict.fromkeys(tuple(map(int, row)) for row in rows))
