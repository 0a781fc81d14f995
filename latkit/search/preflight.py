"""Checks of a search before anything is written."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.errors import TargetOutOfReach, UsageError
from latkit.search.data import DataSplit
from latkit.search.gradient.settings import SearchSettings
from latkit.search.objectives.constraints import Constraint, check_constraints
from latkit.search.objectives.derivation import bounds, check_reach
from latkit.search.objectives.repair import k_best_paths
from latkit.search.records.problem import Problem
from latkit.search.tasks import Task
from latkit.search.training.distillation import check_teacher
from latkit.spaces import Space
from latkit.tables import LatencyTable

MIN_IMAGES = 8
"""Minimum number of training images: fewer cannot be split into batches large enough for batch norm."""


def check_problem(problem: Problem) -> bool:
    """Whether the target binds, of a search whose inputs match; raises as `check_data` and `check_latency` do."""
    problem.table.check_space(problem.space)
    if problem.start is not None:
        problem.start.chain(problem.space)
    check_data(problem.space, problem.data, problem.task)
    if problem.teacher is not None:
        check_teacher(problem.teacher, problem.data)
    check_constraints(problem.constraints, problem.space)
    return check_latency(problem.table, problem.target_s, problem.settings, problem.constraints)


def check_data(space: Space, data: DataSplit, task: Task) -> None:
    """Raise UsageError unless the images fit the space's input, and its output the task on these images."""
    if space.input_shape != data.shape:
        raise UsageError(
            f"space {space.name} expects images of shape {space.input_shape}, but data {data.name} has {data.shape}"
        )
    expected = task.output_shape(data.shape, data.classes)
    if space.output_shape != expected:
        raise UsageError(
            f"space {space.name} gives outputs of shape {space.output_shape}, but {task.name} of the {data.classes} "
            f"classes of data {data.name} needs {expected}"
        )
    if len(data.train.labels) < MIN_IMAGES:
        raise UsageError(
            f"expected at least {MIN_IMAGES} training images, but data {data.name} has {len(data.train.labels)}"
        )


def check_latency(
    table: LatencyTable, target_s: float, settings: SearchSettings, constraints: Sequence[Constraint] = ()
) -> bool:
    """Whether the target binds: whether some network of the space is slower than it.

    A target that does not bind is an error, unless latency is disabled (`penalty="none"`). Raises TargetOutOfReach with
    the feasible range for a target outside it, and where no network within the constraints meets the target; with the
    nearest latency below for a target in a gap between networks. Raises UsageError for a target that is not a positive
    number.
    """
    binding = check_reach(table, target_s, constraints)
    if not binding and settings.penalty != "none":
        raise TargetOutOfReach(
            f"expected a latency target that some network of space {table.space_name} misses, but found "
            f"{target_s * 1e3:.4g} ms, which all of them meet: they take from {table.fastest() * 1e3:.4g} to "
            f"{table.slowest() * 1e3:.4g} ms. Ask for less, or have latency not count at all with penalty=none"
        )
    if binding and not constraints:
        _check_gap(table, target_s)
    return binding


def _check_gap(table: LatencyTable, target_s: float) -> None:
    """Raise TargetOutOfReach where no network takes 0.98 to 1.01 of a target that lies in the space's range."""
    min_s, max_s = bounds(table, target_s)
    (slowest,) = k_best_paths(table.values.double().cpu().numpy(), table, min_s, max_s)  # more is likelier
    if table.total(slowest) < min_s:
        raise TargetOutOfReach(
            f"expected a latency target that some network of space {table.space_name} takes, but found "
            f"{target_s * 1e3:.4g} ms: none takes {min_s * 1e3:.4g} to {max_s * 1e3:.4g} ms. The slowest below that "
            f"takes {table.total(slowest) * 1e3:.4g} ms: ask for this"
        )
