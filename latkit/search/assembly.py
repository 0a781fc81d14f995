"""The parts of a search, put together as its settings say."""

from __future__ import annotations

from lightning_fabric import Fabric

from latkit.search.data import DataSplit
from latkit.search.distribution import PathDistribution
from latkit.search.gates import BinaryGates
from latkit.search.learner import GradientLearner
from latkit.search.machine import seeded
from latkit.search.objective import Additive, Constraint, Multiplicative, Objective
from latkit.search.searching import SearchPhase, feeders
from latkit.search.settings import SearchSettings
from latkit.search.supernet import Supernet
from latkit.search.weights import device_module
from latkit.spaces import Space
from latkit.tables import LatencyTable


def make_objective(target_s: float, settings: SearchSettings, architecture_steps: int, binding: bool) -> Objective:
    """The objective that the settings name."""
    weight = settings.penalty_weight
    if settings.penalty == "additive":
        return Additive(target_s, 0.2 if weight is None else weight)
    if settings.penalty == "multiplicative":
        return Multiplicative(target_s, 0.6 if weight is None else weight)
    rate = settings.multiplier_rate or 30 / architecture_steps
    return Constraint(target_s, rate, settings.damping, binding)


def make_search_phase(
    space: Space,
    table: LatencyTable,
    data: DataSplit,
    target_s: float,
    settings: SearchSettings,
    fabric: Fabric,
    binding: bool,
) -> tuple[Supernet, SearchPhase]:
    """The supernet and the phase that trains it and learns its architecture. `binding` as `check_reach` gives it."""
    with seeded(settings.seed):
        supernet = device_module(Supernet(space), fabric)
    distribution = PathDistribution(space)
    weight_feeder, architecture_feeder = feeders(data, settings, fabric)
    architecture_steps = max(settings.epochs * weight_feeder.batches_per_pass // settings.weight_steps, 1)
    objective = make_objective(target_s, settings, architecture_steps, binding)
    rate = settings.architecture_learning_rate or min(max(16 / architecture_steps, 1e-3), 0.2)
    learner = GradientLearner(
        supernet,
        distribution,
        table,
        objective,
        BinaryGates(),
        fabric,
        rate,
        settings.label_smoothing,
    )
    phase = SearchPhase(
        supernet,
        distribution,
        table,
        objective,
        learner,
        weight_feeder,
        architecture_feeder,
        settings,
        fabric,
    )
    return supernet, phase
