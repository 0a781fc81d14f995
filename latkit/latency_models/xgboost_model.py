"""The XGBoost model: predicts unmeasured ops from their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from latkit._io.arrays import Floats
from latkit.errors import NotMeasured
from latkit.latency_models.additive import FORMATS, AdditiveFile
from latkit.latency_models.calibration.conformal import around
from latkit.latency_models.lookup import not_measured
from latkit.latency_models.op_model import OpModel
from latkit.latency_models.trees.features import feature_names, features
from latkit.latency_models.trees.residual_trees import MIN_OPS_TO_FIT, KindModel, TreesEntry, fit_kind
from latkit.latency_models.trees.roofline import TERMS, roofline
from latkit.ops import KINDS, Op
from latkit.ops.precision import FP32
from latkit.timing import Estimate


class XGBoostFile(AdditiveFile):
    """Adds the trees of every op kind."""

    kinds: dict[str, TreesEntry] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _trees_of_another_format(cls, document: Any) -> Any:
        if isinstance(document, dict) and document.get("kinds") and document.get("format") in FORMATS[:-1]:
            raise ValueError("trees of an older latkit, which know other features; run latkit fit again")
        return document


class XGBoostModel(OpModel):
    """Boosted trees per op kind and precision; those with fewer than twelve measured ops are looked up."""

    kind = "xgboost"
    learns = True

    def _fit_ops(self, measured: Mapping[Op, Estimate]) -> None:
        by_kind: dict[str, list[Op]] = {}
        for op in measured:
            by_kind.setdefault(_group(op), []).append(op)
        self.kinds_: dict[str, KindModel] = {}
        looked_up: dict[Op, Estimate] = {}
        for kind, ops in by_kind.items():
            if len(ops) >= MIN_OPS_TO_FIT:
                self.kinds_[kind] = fit_kind(*self._design_matrix(ops), np.array([measured[op].seconds for op in ops]))
            else:
                looked_up |= {op: measured[op] for op in ops}
        self.ops_ = looked_up
        self.predicted_: dict[Op, Estimate] = {}

    def to_json(self) -> dict[str, Any]:
        """The fitted model as a JSON document with its `kind` and `format`."""
        return super().to_json() | {
            "kinds": {name: TreesEntry.of(kind).model_dump() for name, kind in self.kinds_.items()}
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """The model of a JSON document. Raises UsageError, or ValueError as pydantic does."""
        entry = XGBoostFile.model_validate(document)
        model = cls._of(entry)
        model.predicted_ = {}
        installed = KINDS.items()
        model.kinds_ = {
            name: trees.model(len(TERMS), len(feature_names(list(installed[name.split(" ")[0]].attributes))))
            for name, trees in entry.kinds.items()
            if name.split(" ")[0] in installed
        }
        return model

    def op_estimate(self, op: Op) -> Estimate:
        """Predicted latency of one op, without the fixed cost. Raises NotMeasured for a kind with too few
        measurements."""
        if op in self.ops_:
            return self.ops_[op]
        if _group(op) not in self.kinds_:
            raise NotMeasured(
                f"{not_measured(op, self.ops_)}; {MIN_OPS_TO_FIT} measured ops of kind {op.kind} "
                "would let it be predicted"
            )
        if op not in self.predicted_:
            model = self.kinds_[_group(op)]
            seconds = float(model.seconds(*self._design_matrix([op]))[0])
            self.predicted_[op] = around(seconds, model.log_half_width)
        return self.predicted_[op]

    def _design_matrix(self, ops: Sequence[Op]) -> tuple[Floats, Floats]:
        """That of the ops in the precision in which they run."""
        return design_matrix([op.in_precision(self.precision_) for op in ops])


def _group(op: Op) -> str:
    """The name of the trees that predict an op: its kind, and its precision if it names one."""
    return op.kind if op.precision == FP32.name else f"{op.kind} {op.precision}"


def design_matrix(ops: Sequence[Op]) -> tuple[Floats, Floats]:
    """Roofline terms, shape (ops, terms), and features, shape (ops, features), of ops of one kind."""
    return np.stack([roofline(op) for op in ops]), np.stack([features(op) for op in ops])
