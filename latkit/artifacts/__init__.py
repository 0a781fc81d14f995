"""Artifacts: ops, networks and graphs exported for a runtime with generated weights, and the cache of them.

The modules here import torch; the names here do not.
"""

from __future__ import annotations

from latkit.errors import UsageError
from latkit.graphs import Graph
from latkit.ops import Network, Op
from latkit.runtimes import Runtime, get_runtime, list_runtimes
from latkit.targets import Target

Workload = Op | Network | Graph
"""A workload that can be exported."""


def is_native(runtime: Runtime, workload: Workload) -> bool:
    """Whether the workload is exported as it is computed in torch, without quantization."""
    return all(op.precision == runtime.precisions[0] for op in workload.ops)


def check_takes_graphs(target: Target) -> None:
    """Raise UsageError where a target's runtime writes no graphs, and so no kernels of external networks."""
    if not get_runtime(target.runtime).graph_dialect:
        known = ", ".join(runtime.name for runtime in list_runtimes() if runtime.graph_dialect)
        raise UsageError(
            f"expected a target whose runtime takes external networks ({known}), but found {target}: networks of a "
            f"space are measured there with: latkit collect space {target} --space SPACE"
        )


__all__ = ["Workload", "check_takes_graphs", "is_native"]
