"""The XGBoost model: predicts unmeasured ops from their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from latkit.errors import NotMeasured
from latkit.latency_models.base import LatencyModel
from latkit.latency_models.conformal import around
from latkit.latency_models.features import features
from latkit.latency_models.lookup import not_measured
from latkit.latency_models.residual_trees import MIN_OPS_TO_FIT, KindModel, fit_kind
from latkit.latency_models.roofline import roofline
from latkit.ops import Op
from latkit.timing import Estimate

Floats = NDArray[np.float64]


class XGBoostModel(LatencyModel):
    """Boosted trees per op kind; kinds with fewer than twelve measured ops are looked up."""

    kind = "xgboost"
    learns = True

    def _fit_ops(self, measured: Mapping[Op, Estimate]) -> None:
        by_kind: dict[str, list[Op]] = {}
        for op in measured:
            by_kind.setdefault(op.kind, []).append(op)
        self.kinds_: dict[str, KindModel] = {}
        self.ops_: dict[Op, Estimate] = {}
        for kind, ops in by_kind.items():
            if len(ops) >= MIN_OPS_TO_FIT:
                self.kinds_[kind] = fit_kind(*design_matrix(ops), np.array([measured[op].seconds for op in ops]))
            else:
                self.ops_ |= {op: measured[op] for op in ops}
        self.predicted_: dict[Op, Estimate] = {}

    def op_estimate(self, op: Op) -> Estimate:
        """Predicted latency of one op, without the fixed cost. Raises NotMeasured for a kind with too few
        measurements."""
        if op in self.ops_:
            return self.ops_[op]
        if op.kind not in self.kinds_:
            raise NotMeasured(
                f"{not_measured(op, self.ops_)}; {MIN_OPS_TO_FIT} measured ops of kind {op.kind} "
                "would let it be predicted"
            )
        if op not in self.predicted_:
            model = self.kinds_[op.kind]
            seconds = float(model.seconds(*design_matrix([op]))[0])
            self.predicted_[op] = around(seconds, model.log_half_width)
        return self.predicted_[op]


def design_matrix(ops: Sequence[Op]) -> tuple[Floats, Floats]:
    """Roofline terms, shape (ops, terms), and features, shape (ops, features), of ops of one kind."""
    return np.stack([roofline(op) for op in ops]), np.stack([features(op) for op in ops])
