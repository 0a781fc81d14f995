"""Candidates for a latency: by evolution over predictions, or by any strategy that is judged with real weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from latkit._io import make_folder
from latkit.errors import UsageError
from latkit.ops import digest
from latkit.progress import Progress, Silent
from latkit.search.evaluators.base import Evaluator
from latkit.search.evaluators.cheap_first import CheapFirst
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import Bound, Goal, Goals
from latkit.search.history import Entry
from latkit.search.loop import Budget, LoopOptions, search
from latkit.search.once_for_all.subnets.evaluated import Evaluations
from latkit.search.once_for_all.subnets.evolution import Candidate, EvolutionPlan, Predict, evolve
from latkit.search.strategies import STRATEGIES, Strategy, make_strategy, settings_json
from latkit.search.strategy_run import parse_strategy_settings
from latkit.spaces.base import Architecture
from latkit.tables import ElasticTable

FindCandidates = Callable[[ElasticTable, float, Path], list[Candidate]]
"""From a target's table, a latency in seconds and the folder of the result: sub-networks, the best first."""

MAX_BATCHES, BATCH_SIZE = 10, 20_000
"""Random sub-networks are drawn in batches until enough of them have the latency."""


@dataclass(frozen=True, slots=True)
class ByPrediction:
    """Evolution over a score predictor; nothing is evaluated."""

    predict: Predict
    """Larger for better ones."""
    seed: int = 0
    min_share: float = 0.98
    """Least share of the latency that is used."""

    def __call__(self, table: ElasticTable, latency_s: float, _folder: Path) -> list[Candidate]:
        """See `FindCandidates`. Raises UsageError where nothing takes that share of the latency."""
        found = evolve(table, self.predict, latency_s, self.seed, EvolutionPlan(min_share=self.min_share))
        return found_or_refused(found, table, latency_s, self.min_share)


def draw_at(table: ElasticTable, latency_s: float, count: int, seed: int, min_share: float) -> list[Candidate]:
    """Distinct sub-networks from `min_share` to all of a latency: options are drawn uniformly, and others rejected.

    Where rejection finds too few, as at the ends of the range, evolution towards the latency finds the others. Raises
    UsageError, with the range, where there is none.
    """
    generator, found = np.random.default_rng(seed), dict[Architecture, float]()
    for _ in range(MAX_BATCHES):
        drawn = table.arrays.draw(BATCH_SIZE, generator)
        seconds = table.lookup(drawn)
        inside = (min_share * latency_s <= seconds) & (seconds <= latency_s)
        found |= zip(map(tuple, drawn[inside].tolist()), seconds[inside].tolist(), strict=True)
        if len(found) >= count:
            break
    else:
        others = ByPrediction(lambda features: np.zeros(len(features)), seed, min_share)(table, latency_s, Path())
        found |= {one.architecture: one.seconds for one in others}
    return [Candidate(one, 0.0, seconds) for one, seconds in islice(found.items(), count)]


@dataclass(frozen=True, slots=True)
class ByStrategy:
    """A search strategy by its name; every sub-network within the latency is evaluated with the supernet's weights."""

    evaluations: Evaluations
    strategy: str
    settings: Mapping[str, object] = field(default_factory=dict)
    budget: int = 100
    """Evaluations for each latency."""
    seed: int = 0
    min_share: float = 0.98
    progress: Progress = field(default_factory=Silent)

    def __call__(self, table: ElasticTable, latency_s: float, folder: Path) -> list[Candidate]:
        """See `FindCandidates`. The history is in the folder: a search that was interrupted is resumed by replay."""
        strategy, cheap = self.prepared(table, latency_s), _Latencies(table)
        evaluator = CheapFirst(cheap, _RealWeights(self.evaluations, table), strategy.goals)
        make_folder(folder)
        identity = [strategy.name, settings_json(strategy), self.seed, list(strategy.goals.texts), evaluator.name]
        history = folder / f"strategy-{digest(identity)[:12]}.jsonl"
        judged = 0

        def on_entry(entry: Entry) -> None:
            nonlocal judged
            judged += not entry.verdict.is_free
            self.progress.advance(self.strategy, judged, self.budget)

        outcome = search(strategy, evaluator, Budget(self.budget), LoopOptions(history, on_entry=on_entry))
        met = [entry for entry in outcome.entries if strategy.goals.is_met(entry.verdict)]
        best = sorted(met, key=lambda entry: strategy.goals.rank(entry.verdict), reverse=True)
        distinct = dict.fromkeys(table.space.canonical(entry.architecture) for entry in best)
        found = [Candidate(one, self.evaluations.rank(one), table.total(one)) for one in distinct]
        return found_or_refused(found, table, latency_s, self.min_share)

    def prepared(self, table: ElasticTable, latency_s: float) -> Strategy:
        """The strategy with its goals. Raises UsageError for an unknown strategy or setting."""
        metric = self.evaluations.metric
        bound = Bound("seconds", self.min_share * latency_s, latency_s)
        goals = Goals((Goal(metric.name, metric.larger_is_better),), (bound,))
        settings = parse_strategy_settings(STRATEGIES.get(self.strategy), dict(self.settings))
        return make_strategy(self.strategy, table.space, goals, self.seed, **settings)


def found_or_refused(
    found: list[Candidate], table: ElasticTable, latency_s: float, min_share: float
) -> list[Candidate]:
    """The candidates. Raises UsageError, with the range, where there is none."""
    if not found:
        raise UsageError(
            f"expected a sub-network from {100 * min_share:.0f} to 100 % of {1e3 * latency_s:.4g} ms, but found none; "
            f"those of space {table.space.name} take {1e3 * table.min():.4g} to {1e3 * table.max():.4g} ms"
        )
    return found


class _Latencies(Evaluator):
    """Seconds by a target's table. Everything is free."""

    quantities = ("seconds",)

    def __init__(self, table: ElasticTable) -> None:
        self.table = table
        self.name = f"table-{digest(table.rows())[:12]}"

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        """One verdict per architecture. There is one effort."""
        self.effort_index(effort)
        return [Verdict({"seconds": float(one)}) for one in self.table.lookup(np.array(architectures))]


class _RealWeights(Evaluator):
    """The validation metric with the supernet's weights; what was evaluated before is not evaluated again."""

    def __init__(self, evaluations: Evaluations, table: ElasticTable) -> None:
        self.evaluations, self.space, self.name = evaluations, table.space, evaluations.evaluator

    @property
    def quantities(self) -> tuple[str, ...]:
        """The metric of the task."""
        return (self.evaluations.metric.name,)

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        """One verdict per architecture, each of which counts as one evaluation."""
        self.effort_index(effort)
        scores = [self.evaluations.score(self.space.canonical(one)) for one in architectures]
        return [Verdict({self.quantities[0]: score}, {"evaluations": 1.0}) for score in scores]
