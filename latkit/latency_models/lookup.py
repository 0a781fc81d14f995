"""The lookup model: answers for exactly the measured ops."""

from __future__ import annotations

from collections.abc import Mapping

from latkit.errors import NotMeasured
from latkit.latency_models.op_model import OpModel
from latkit.ops import Op
from latkit.timing import Estimate


class LookupModel(OpModel):
    """Latency of every op as it was measured."""

    kind = "lookup"

    def _fit_ops(self, measured: Mapping[Op, Estimate]) -> None:
        self.ops_ = dict(measured)

    def op_estimate(self, op: Op) -> Estimate:
        """Latency of one measured op, without the fixed cost. Raises NotMeasured naming the nearest measured ops."""
        if op not in self.ops_:
            raise NotMeasured(not_measured(op, self.ops_))
        return self.ops_[op]


def not_measured(op: Op, measured: Mapping[Op, Estimate]) -> str:
    """The error for an unmeasured op; it names the nearest measured ones: of its kind, sharing most attributes."""

    def alike(other: Op) -> tuple[int, int]:
        shared = len(set(op.attributes) & set(other.attributes)) + (op.input_shape == other.input_shape)
        return -shared, abs(op.macs - other.macs)

    nearest = sorted((other for other in measured if other.kind == op.kind), key=alike)[:3]
    names = ", ".join(other.title for other in nearest) or f"no {op.kind} at all"
    return (
        f"{op.title} was not measured (nearest measured: {names}); collect a space that holds it"
        " (resolution, width and channels alike), or use xgboost"
    )
