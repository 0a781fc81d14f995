"""What a search's constraints bound: quantities of a space by name, and latency on the workspace's other targets."""

from __future__ import annotations

from collections.abc import Mapping

from latkit.errors import UsageError
from latkit.search import Constraint
from latkit.spaces import Space
from latkit.tables import COUNTED_COSTS, LatencyTable
from latkit.targets import Target
from latkit.workspace.models.fitting import ModelFitting


def constraints_of(
    workspace: ModelFitting, space: Space, bounds: Mapping[str, float], kind: str = "lookup"
) -> tuple[Constraint, ...]:
    """The constraints of a search, from bounds by name: a name of `COUNTED_COSTS`, or a target with milliseconds.

    A target's latency is that of its fitted model of the given kind; it is bounded in seconds. Raises UsageError for
    other names and bounds that are no positive number, NotMeasured if a target has no such model.
    """
    return tuple(_constraint(workspace, space, name, bound, kind) for name, bound in bounds.items())


def _constraint(workspace: ModelFitting, space: Space, name: str, bound: float, kind: str) -> Constraint:
    if name in COUNTED_COSTS:
        return Constraint(name, COUNTED_COSTS.get(name).table(space), bound)
    if "/" not in name:
        raise UsageError(f"expected a constraint on {', '.join(COUNTED_COSTS.names())} or a target, but found {name!r}")
    target = Target.parse(name)
    return Constraint(str(target), LatencyTable(space, workspace.model(target, kind, space)), bound / 1e3)
