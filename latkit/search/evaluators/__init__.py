"""Evaluators: what judges architectures.

A plug-in adds one with an entry point of the group `latkit.evaluators` that is an `EvaluatorFactory`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from latkit._registry import Registry
from latkit.search.evaluators.base import Evaluator
from latkit.search.evaluators.verdict import Verdict
from latkit.spaces.base import Space

__all__ = ["EVALUATORS", "Evaluator", "EvaluatorFactory", "Verdict"]


@dataclass(frozen=True, slots=True)
class EvaluatorFactory:
    """A benchmark or another evaluator by name, with the space that it judges."""

    name: str
    summary: str
    """One line for people."""
    build: Callable[..., tuple[Space, Evaluator]]
    """Takes the folder of the data and gives the space and the evaluator. Raises UsageError for missing data."""


EVALUATORS: Registry[EvaluatorFactory] = Registry(
    "evaluator",
    "latkit.evaluators",
    EvaluatorFactory,
    {
        "accel-nasbench": "latkit.search.evaluators.tables.accel_nasbench:FACTORY",
        "darts-sample": "latkit.search.evaluators.tables.darts_sample:FACTORY",
        "nasbench-macro": "latkit.search.evaluators.tables.nasbench_macro:FACTORY",
        "nasbench101": "latkit.search.evaluators.tables.nasbench101:POOL",
        "nasbench101-5v": "latkit.search.evaluators.tables.nasbench101:FIVE_VERTICES",
        "nasbench201": "latkit.search.evaluators.tables.nasbench201:FACTORY",
        "shared-weights": "latkit.search.evaluators.shared_weights:FACTORY",
    },
)
"""The evaluators that need nothing but data, by name."""
