"""Optuna's samplers as strategies (extra `optuna`), and histories as studies that optuna-dashboard opens."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from latkit._io import atomic_move
from latkit.errors import UsageError
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import Goals
from latkit.search.history import Entry
from latkit.search.strategies.base import Strategy
from latkit.search.strategies.moves import Neighborhood
from latkit.spaces.base import Architecture, Space

MAX_REPEATS = 5
"""Known architectures in a row that a sampler may ask for before a neighbor of the last one is taken."""
VIOLATION = "violation"
"""The user attribute of a trial with the sum of relative excesses over the bounds."""


class OptunaStrategy(Strategy):
    """Asks a sampler, which sees the options of every choice as unordered, and the bounds as a constraint."""

    handles_front: ClassVar[bool] = True
    sampler: ClassVar[str]
    """Its class in `optuna.samplers`."""

    def __init__(self, space: Space, goals: Goals, seed: int = 0, settings: Any = None) -> None:
        super().__init__(space, goals, seed, settings)
        self._optuna = load_optuna()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self._optuna.exceptions.ExperimentalWarning)
            kind = getattr(self._optuna.samplers, self.sampler)
            sampler = kind(seed=seed)
        self._study = self._optuna.create_study(directions=["maximize"] * len(goals.goals), sampler=sampler)
        self._distributions = distributions(space)
        self._neighborhood = Neighborhood(self)
        self._trials: dict[Architecture, Any] = {}
        self._values: dict[Architecture, tuple[tuple[float, ...], float]] = {}
        """What is known of every architecture: the goals' values, greater is better, and the violation."""

    def propose(self) -> Architecture | None:
        """What the sampler asks for, once per network."""
        new: Architecture | None = None
        for _ in range(MAX_REPEATS):
            trial = self._study.ask(self._distributions)
            drawn = self._architecture(trial.params)
            if drawn is None:
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
                continue
            new = self.canonical(drawn)
            if new not in self.requested:
                self._trials[new] = trial
                return new
            self._finish(trial, new)
        return self.sample_new() if new is None else self._neighborhood.mutate(new)

    def tell(self, architecture: Architecture, verdict: Verdict) -> None:
        """End the trial. What a bound refused has no value: the sampler sees the violation, and the worst value."""
        known = [values for values, _ in self._values.values()]
        if not verdict.failure:
            if all(goal.quantity in verdict.quantities for goal in self.goals.goals):
                values = self.goals.values(verdict)
            elif known:
                values = tuple(map(min, zip(*known, strict=True)))
            else:
                values = ()
            if values:
                self._values[architecture] = values, self.goals.violation(verdict)
        trial = self._trials.pop(architecture, None)
        self._finish(trial or self._study.ask(self._fixed(architecture)), architecture)

    def _finish(self, trial: Any, architecture: Architecture) -> None:
        if architecture not in self._values:
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            return
        values, violation = self._values[architecture]
        if self.goals.bounds:
            trial.set_constraint(VIOLATION, violation)
        self._study.tell(trial, list(values))

    def _architecture(self, params: dict[str, Any]) -> Architecture | None:
        """The architecture of a trial; None where it is not one of the space."""
        found: list[int] = []
        for choice in self.space.choices:
            found.append(params[choice.name] if choice.tied_to is None else found[choice.tied_to])
        try:
            return self.space.check(found)
        except UsageError:
            return None

    def _fixed(self, architecture: Architecture) -> dict[str, Any]:
        """Distributions for one architecture that no sampler proposed."""
        values = zip(self.space.choices, architecture, strict=True)
        params = {choice.name: value for choice, value in values if choice.tied_to is None}
        self._study.enqueue_trial(params)
        return self._distributions


class Tpe(OptunaStrategy):
    """Tree-structured Parzen estimator (Bergstra et al. 2011)."""

    name: ClassVar[str] = "optuna-tpe"
    summary: ClassVar[str] = "Optuna's tree-structured Parzen estimator (Bergstra et al. 2011)"
    sampler: ClassVar[str] = "TPESampler"


class OptunaNsga2(OptunaStrategy):
    """NSGA-II (Deb et al. 2002) as Optuna has it."""

    name: ClassVar[str] = "optuna-nsga2"
    summary: ClassVar[str] = "Optuna's NSGA-II (Deb et al. 2002)"
    sampler: ClassVar[str] = "NSGAIISampler"


class OptunaNsga3(OptunaStrategy):
    """NSGA-III (Deb and Jain 2014) as Optuna has it."""

    name: ClassVar[str] = "optuna-nsga3"
    summary: ClassVar[str] = "Optuna's NSGA-III (Deb and Jain 2014)"
    sampler: ClassVar[str] = "NSGAIIISampler"


class OptunaGp(OptunaStrategy):
    """Gaussian process with expected improvement, as Optuna has it; needs torch."""

    name: ClassVar[str] = "optuna-gp"
    summary: ClassVar[str] = "Optuna's Gaussian process"
    sampler: ClassVar[str] = "GPSampler"


def load_optuna() -> Any:
    """Optuna. Raises UsageError where it is not installed."""
    try:
        optuna = import_module("optuna")
    except ImportError as error:
        raise UsageError("expected Optuna for this strategy, but found none; install latkit[optuna]") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def distributions(space: Space) -> dict[str, Any]:
    """One categorical distribution per free choice, over the numbers of its options."""
    kind = import_module("optuna").distributions.CategoricalDistribution
    return {choice.name: kind(tuple(range(len(choice.options)))) for choice in space.choices if choice.tied_to is None}


def save_study(path: Path, name: str, entries: Sequence[Entry], space: Space, goals: Goals) -> None:
    """Write the history of any strategy as a study in a journal file: `optuna-dashboard FILE` opens it.

    Architectures without the goals' quantities are pruned trials, and failures failed ones. Replaces the file.
    """
    with atomic_move(path) as fresh:
        _write_study(fresh, name, entries, space, goals)


def _write_study(path: Path, name: str, entries: Sequence[Entry], space: Space, goals: Goals) -> None:
    optuna = load_optuna()
    states, options = optuna.trial.TrialState, distributions(space)
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    directions = ["maximize" if goal.maximize else "minimize" for goal in goals.goals]
    study = optuna.create_study(storage=optuna.storages.JournalStorage(backend), study_name=name, directions=directions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([goal.quantity for goal in goals.goals])
    for entry in entries:
        quantities = dict(entry.verdict.quantities)
        is_complete = all(goal.quantity in quantities for goal in goals.goals)
        state = states.FAIL if entry.verdict.failure else states.COMPLETE if is_complete else states.PRUNED
        values = [quantities[goal.quantity] for goal in goals.goals] if state == states.COMPLETE else None
        params = {choice.name: index for choice, index in zip(space.choices, entry.architecture, strict=True)}
        attributes = {**quantities, "number": entry.number, VIOLATION: goals.violation(entry.verdict)}
        trial = optuna.trial.create_trial(
            state=state,
            values=values,
            params={one: params[one] for one in options},
            distributions=options,
            user_attrs=attributes | ({"failure": entry.verdict.failure} if entry.verdict.failure else {}),
        )
        study.add_trial(trial)
