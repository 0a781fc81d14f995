"""Records of a search by a strategy: its plan, and its outcome."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field

from latkit._io.fields import Seed
from latkit.search.goals import Goals
from latkit.search.history import Entry
from latkit.search.loop import Budget, SearchOutcome
from latkit.search.records.base import Record

STRATEGY_FILE = "strategy.json"
"""In a search's folder: the plan and the outcome of its strategy."""
HISTORY_FILE = "history.jsonl"
"""In a search's folder: one line per verdict."""
STUDY_FILE = "optuna.log"
"""In a search's folder: the history as a study of Optuna, where its strategy is Optuna's."""

Limit = Annotated[float, Field(gt=0)]


class StrategyPlan(Record):
    """A strategy, its goals, and its budget."""

    strategy: str
    settings: dict[str, Any] = Field(default={})
    """Of the strategy; others have their defaults."""
    seed: Seed = 0
    goals: tuple[str, ...] = ()
    """As `Goals.parse` reads them; without any, those of the search: the metric, its latency and constraints."""
    evaluations: Limit | None = 100
    max_seconds: Limit | None = None
    """Of evaluations."""
    max_epochs: Limit | None = None
    batch: Annotated[int, Field(ge=1)] = 1
    """Architectures pending at once."""
    evaluator: str = "trained"
    """How architectures are judged; see `latkit.workspace.requests.SearchRequest`."""
    measure_unsure: bool = False
    """Whether a latency is measured where the interval of its prediction contains the bound."""

    @property
    def budget(self) -> Budget:
        """When the search ends."""
        return Budget(self.evaluations or math.inf, self.max_seconds or math.inf, self.max_epochs or math.inf)

    @property
    def budget_text(self) -> str:
        """The budget for people."""
        limits = {"evaluations": self.evaluations, "seconds": self.max_seconds, "epochs": self.max_epochs}
        return ", ".join(f"{value:g} {name}" for name, value in limits.items() if value is not None) or "no limit"

    def parsed_goals(self) -> Goals:
        """The goals. Raises UsageError."""
        return Goals.parse(*self.goals)


class Judged(Record):
    """One architecture and its verdict."""

    number: int
    architecture: tuple[int, ...]
    quantities: dict[str, float]
    effort: float | None = None
    test: dict[str, float] = Field(default={})
    """What judges a search when it is over, where the table has it."""

    @classmethod
    def of(cls, entry: Entry) -> Judged:
        """The record of an entry of the history."""
        quantities = dict(entry.verdict.quantities)
        return cls(number=entry.number, architecture=entry.architecture, quantities=quantities, effort=entry.effort)


class StrategyRecord(Record):
    """What a strategy found."""

    format: Literal["latkit-strategy-1"] = "latkit-strategy-1"
    name: str
    space: str
    space_key: str
    evaluator: str
    """Its full name, which identifies its data."""
    plan: StrategyPlan
    reason: str
    """Why it ended: `budget`, `exhausted` or `stalled`."""
    asked: int
    """Verdicts in the history."""
    spent: dict[str, float]
    """Evaluations, seconds, epochs, measurements."""
    failures: int
    best: Judged | None
    """The best within the bounds."""
    nearest: Judged | None
    """The best by rank, within the bounds or not."""
    front: tuple[Judged, ...] = ()
    """Of several goals."""

    @classmethod
    def of(cls, name: str, plan: StrategyPlan, space: tuple[str, str], evaluator: str, found: SearchOutcome) -> Any:
        """The record of an outcome. `space`: name and key."""
        spent: dict[str, float] = {}
        for entry in found.entries:
            for what, value in entry.verdict.cost.items():
                spent[what] = spent.get(what, 0.0) + value
        front = found.front if found.goals.is_front else []
        return cls(
            name=name,
            space=space[0],
            space_key=space[1],
            evaluator=evaluator,
            plan=plan,
            reason=found.reason,
            asked=len(found.entries),
            spent=spent,
            failures=found.failures,
            best=Judged.of(found.best) if found.best else None,
            nearest=Judged.of(found.nearest) if found.nearest else None,
            front=tuple(map(Judged.of, front)),
        )
