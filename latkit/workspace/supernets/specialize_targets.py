"""The targets that sub-networks are specialized for: their models and tables, and the latencies asked of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latkit.errors import NotMeasured
from latkit.latency_models import AdditiveModel
from latkit.search.once_for_all.records import SUPERNET_FILES
from latkit.spaces.elastic import ElasticSpace
from latkit.tables import ElasticTable
from latkit.targets import Target
from latkit.workspace.profiling.target_session import MeasuringWorkspace
from latkit.workspace.requests.supernet import SpecializeRequest

LATENCY_QUANTILES, SAMPLE_SIZE = (0.1, 0.8), 20_000
"""Quantiles of the latencies of random sub-networks, and the number of these. Below, few sub-networks take about the
same time; above, all of them are nearly the largest: there is little to choose."""

NAMED_OPS = 20
"""At most this many missing ops are named without --verbose."""


@dataclass(frozen=True, slots=True)
class SpecializeTarget:
    """A target, and what is asked of it."""

    target: Target
    model: AdditiveModel
    table: ElasticTable
    latencies_s: tuple[float, ...]


def specialize_targets(
    workspace: MeasuringWorkspace, request: SpecializeRequest, space: ElasticSpace
) -> list[SpecializeTarget]:
    """Every target once. Raises NotMeasured where ops of the space were not measured, naming them, and UsageError for
    a latency that no sub-network reaches on one of the targets."""
    found = []
    for target in dict.fromkeys(request.targets):
        model = _model(workspace, target, request, space)
        table = ElasticTable.of_model(space, model)
        latencies_s = tuple(dict.fromkeys((*request.latencies_s, *_spread(table, request.latencies))))
        for latency_s in latencies_s:
            table.check_reach(latency_s, f" on {target}")
        found.append(SpecializeTarget(target, model, table, latencies_s))
    return found


def _spread(table: ElasticTable, count: int) -> list[float]:
    """Latencies in seconds, evenly spaced between `LATENCY_QUANTILES` of random sub-networks.

    Each is that of the next faster sub-network: a small space has gaps, in which no sub-network is.
    """
    drawn = np.sort(table.lookup(table.arrays.draw(SAMPLE_SIZE, np.random.default_rng(0))))
    low, high = np.quantile(drawn, LATENCY_QUANTILES)
    spaced = np.linspace(low, high, count + 2)[1:-1]
    return [float(drawn[at - 1]) for at in np.searchsorted(drawn, spaced, side="right")]


def _model(
    workspace: MeasuringWorkspace, target: Target, request: SpecializeRequest, space: ElasticSpace
) -> AdditiveModel:
    """The model of a target. Raises NotMeasured, which names every op that it lacks and what measures them."""
    path = workspace.search_dir(request.name) / SUPERNET_FILES["space"]
    remedy = f"measure with: latkit collect space {target} --space {path}; then: latkit fit {target} --space {path}"
    ops = space.ops()
    try:
        return workspace.model(target, request.model, space)
    except NotMeasured as error:
        known = [model for _, model in workspace.models(target, request.model)]
        if not known:
            raise NotMeasured(f"{target} lacks the {len(ops)} ops of space {space.name} ({error}); {remedy}") from error
        missing = min(([op.title for op in ops if not model.knows([op])] for model in known), key=len)
        more = f" and {len(missing) - NAMED_OPS} more, which --verbose names" if len(missing) > NAMED_OPS else ""
        named = "; ".join(missing[:NAMED_OPS])
        raise NotMeasured(
            f"{target} lacks {len(missing)} of the {len(ops)} ops of space {space.name}; {remedy}. Missing: "
            f"{named}{more}"
        ).with_detail("; ".join(missing)) from error
