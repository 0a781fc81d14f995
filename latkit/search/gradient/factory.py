"""Builds the parts of a search from its settings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from latkit.nn import build_module
from latkit.ops import Network
from latkit.search.gradient.gates import BinaryGates, PathRule
from latkit.search.gradient.learners import ArchitectureRate, GradientLearner, Learner
from latkit.search.gradient.reinforce import ReinforceLearner, Sampling
from latkit.search.gradient.search_phase import SearchPhase, make_feeders
from latkit.search.gradient.settings import SearchSettings
from latkit.search.objectives.architecture_objective import ArchitectureObjective
from latkit.search.objectives.constraints import ConstraintMultipliers
from latkit.search.objectives.objective import Additive, AugmentedLagrangian, Multiplicative, Objective
from latkit.search.records.problem import Problem
from latkit.search.supernet.distribution import PathDistribution
from latkit.search.supernet.low_precision import network_computed_in
from latkit.search.supernet.mixing import FullMixing, GumbelSoftmax
from latkit.search.supernet.supernet import Supernet
from latkit.search.supernet.weight_trainer import device_module
from latkit.search.training.runtime_env import seeded

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def make_objective(target_s: float, settings: SearchSettings, architecture_steps: int, binding: bool) -> Objective:
    """The objective that the settings name."""
    weight = settings.penalty_weight
    if settings.penalty == "additive":
        return Additive(target_s, 0.2 if weight is None else weight)
    if settings.penalty == "multiplicative":
        usual = 0.1 if settings.learner == "reinforce" else 0.6
        return Multiplicative(target_s, usual if weight is None else weight)
    counts = binding and settings.penalty != "none"
    return AugmentedLagrangian(target_s, _dual_rate(settings, architecture_steps), settings.damping, counts)


def make_rule(settings: SearchSettings) -> PathRule:
    """The path rule that the settings name."""
    if settings.path_rule == "full":
        return FullMixing()
    if settings.path_rule == "binary":
        return BinaryGates()
    return GumbelSoftmax(settings.gumbel_begin, settings.gumbel_end, hard=settings.path_rule == "gumbel-hard")


def _dual_rate(settings: SearchSettings, architecture_steps: int) -> float:
    return settings.multiplier_rate or 100 / architecture_steps


def make_search_phase(problem: Problem, fabric: Fabric, binding: bool) -> tuple[Supernet, SearchPhase]:
    """The supernet and its search phase. `binding` is the result of `check_reach`."""
    space, settings = problem.space, problem.settings
    with seeded(settings.seed):
        supernet = device_module(Supernet(space, settings.checkpointing), fabric)
    rule, feeders = make_rule(settings), make_feeders(problem.data, settings, fabric)
    architecture_steps = max(settings.epochs * feeders.weights.batches_per_pass // settings.weight_steps, 1)
    objective = make_objective(problem.target_s, settings, architecture_steps, binding)
    bounds = ConstraintMultipliers(problem.constraints, _dual_rate(settings, architecture_steps), settings.damping)
    initial_latency_s = problem.target_s if binding and settings.penalty == "constraint" else None
    arch_objective = ArchitectureObjective(PathDistribution(space), problem.table, objective, bounds, initial_latency_s)
    initial_rate = settings.architecture_learning_rate or min(max(16 / architecture_steps, 1e-3), 0.1)
    rate = ArchitectureRate(initial_rate, settings.architecture_rate_growth)
    learner: Learner
    if settings.learner == "reinforce":
        sampling = Sampling(settings.reinforce_samples, settings.reinforce_baseline_decay)
        learner = ReinforceLearner(supernet, arch_objective, rate, problem.task, fabric, sampling)
    else:
        loss = partial(problem.task.loss, smoothing=settings.label_smoothing)
        learner = GradientLearner(supernet, arch_objective, rule, rate, loss, fabric)
    return supernet, SearchPhase(supernet, learner, rule, feeders, settings, fabric)


def fresh_module(network: Network, settings: SearchSettings, fabric: Fabric) -> nn.Module:
    """An untrained network: its weights are drawn as for every network of the same settings."""
    with seeded(settings.seed + 1):
        return device_module(network_computed_in(build_module(network), network), fabric)
