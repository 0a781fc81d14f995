"""Evaluation with shared weights: a sub-network of a trained supernet, on the images that trained nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from latkit.search.evaluators import EvaluatorFactory
from latkit.search.evaluators.base import Evaluator, Range
from latkit.search.evaluators.verdict import Verdict
from latkit.search.once_for_all.trained import TrainedSupernet, load_supernet
from latkit.spaces.base import Architecture, Space


class SharedWeightsEvaluator(Evaluator):
    """The metric of the supernet's task, with batch norm statistics recalibrated per sub-network.

    The supernet is read when it is first needed, and once more in every further process.
    """

    def __init__(self, folder: Path) -> None:
        """`folder`: of a trained supernet. Raises UsageError, BadFile."""
        self.folder = folder
        self.name = f"shared-weights-{self.trained.result.weights_sha256[:12]}"

    @cached_property
    def trained(self) -> TrainedSupernet:
        """The supernet: `trained.judge.module(architecture)` is a sub-network, ready to use."""
        return load_supernet(self.folder)

    @property
    def space(self) -> Space:
        """The space of the supernet."""
        return self.trained.space

    @property
    def quantities(self) -> tuple[str, ...]:
        """The metric of the task."""
        return (self.trained.result.metric.name,)

    @property
    def ranges(self) -> Mapping[str, Range]:
        """That of the metric."""
        metric = self.trained.result.metric
        return {metric.name: (metric.lowest, metric.highest)}

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        """One verdict per architecture, each of which costs one evaluation."""
        self.effort_index(effort)
        return [self._verdict(one) for one in architectures]

    def _verdict(self, architecture: Architecture) -> Verdict:
        checked = self.space.check(architecture)
        return Verdict({self.quantities[0]: self.trained.judge.validation(checked)}, {"evaluations": 1.0})

    def __getstate__(self) -> dict[str, Any]:
        """Without the weights and the images."""
        return {"folder": self.folder, "name": self.name}


def _build(folder: Path) -> tuple[Space, Evaluator]:
    evaluator = SharedWeightsEvaluator(Path(folder))
    return evaluator.space, evaluator


FACTORY = EvaluatorFactory("shared-weights", "a trained supernet's sub-networks on validation images", _build)
