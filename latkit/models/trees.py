"""The XGBoost model: predicts ops that were never measured from what they are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xgboost
from numpy.typing import NDArray
from scipy.optimize import nnls
from sklearn.model_selection import KFold

from latkit.errors import NotMeasured
from latkit.models.base import LatencyModel
from latkit.models.features import features, roofline
from latkit.models.lookup import not_measured
from latkit.ops import Op
from latkit.timing import Estimate

Floats = NDArray[np.float64]

FEWEST_OPS = 12
"""Of a kind with fewer measured ops nothing is learned; those ops themselves are looked up."""

PARAMETERS = {"max_depth": 4, "eta": 0.06, "subsample": 0.8, "min_child_weight": 2, "lambda": 1.0, "nthread": 1}
ROUNDS = 250
FOLDS = 5


@dataclass(frozen=True, slots=True)
class KindModel:
    """Ops of one kind: log latency = log of a physical baseline + what boosted trees add.

    The baseline is a non-negative sum of roofline terms, so that ops outside the measured range stay sane.
    """

    baseline: Floats
    """Seconds per unit of each roofline term, shape (5,)."""
    booster: xgboost.Booster
    relative_error: float
    """0.9 quantile of the relative error on ops left out, by cross-validation."""

    def seconds(self, ops: Sequence[Op]) -> Floats:
        """Predicted seconds of ops of this kind, shape (len(ops),)."""
        correction = self.booster.predict(xgboost.DMatrix(np.stack([features(op) for op in ops])))
        return _baseline_seconds(self.baseline, ops) * np.exp(correction.astype(np.float64))


def _baseline_seconds(baseline: Floats, ops: Sequence[Op]) -> Floats:
    seconds: Floats = np.stack([roofline(op) for op in ops]) @ baseline
    return seconds


def _fit_once(ops: Sequence[Op], seconds: Floats) -> tuple[Floats, xgboost.Booster]:
    terms = np.stack([roofline(op) for op in ops])
    scale = terms.max(axis=0).clip(min=1)
    # Relative errors matter, so every op's row is divided by its latency.
    weights, _ = nnls(terms / scale / seconds[:, None], np.ones(len(ops)))
    baseline = weights / scale
    residual = np.log(seconds) - np.log(_baseline_seconds(baseline, ops))
    matrix = xgboost.DMatrix(np.stack([features(op) for op in ops]), label=residual)
    return baseline, xgboost.train({**PARAMETERS, "seed": 0}, matrix, ROUNDS)


def fit_kind(ops: Sequence[Op], seconds: Floats) -> KindModel:
    """Fit one kind's model; its error is that on ops left out of five folds."""
    errors = []
    for train, test in KFold(FOLDS, shuffle=True, random_state=0).split(np.arange(len(ops))):
        baseline, booster = _fit_once([ops[i] for i in train], seconds[train])
        predicted = KindModel(baseline, booster, 0.0).seconds([ops[i] for i in test])
        errors.append(np.abs(predicted / seconds[test] - 1))
    baseline, booster = _fit_once(ops, seconds)
    return KindModel(baseline, booster, float(np.quantile(np.concatenate(errors), 0.9)))


class XGBoostModel(LatencyModel):
    """Boosted trees per op kind; kinds of which fewer than twelve ops were measured are looked up."""

    kind = "xgboost"

    def _fit_ops(self, measured: Mapping[Op, Estimate]) -> None:
        by_kind: dict[str, list[Op]] = {}
        for op in measured:
            by_kind.setdefault(op.kind, []).append(op)
        self.kinds_: dict[str, KindModel] = {}
        self.ops_: dict[Op, Estimate] = {}
        for kind, ops in by_kind.items():
            if len(ops) >= FEWEST_OPS:
                self.kinds_[kind] = fit_kind(ops, np.array([measured[op].seconds for op in ops]))
            else:
                self.ops_ |= {op: measured[op] for op in ops}
        self.predicted_: dict[Op, Estimate] = {}

    def op_estimate(self, op: Op) -> Estimate:
        """Predicted latency of one op, without the fixed cost. Raises NotMeasured for a kind too little measured."""
        if op in self.ops_:
            return self.ops_[op]
        if op.kind not in self.kinds_:
            raise NotMeasured(
                f"{not_measured(op, self.ops_)}; {FEWEST_OPS} measured ops of kind {op.kind} would let it be predicted"
            )
        if op not in self.predicted_:
            model = self.kinds_[op.kind]
            seconds = float(model.seconds([op])[0])
            error = model.relative_error
            self.predicted_[op] = Estimate(seconds, seconds * max(0.0, 1 - error), seconds * (1 + error))
        return self.predicted_[op]


def booster_to_json(booster: xgboost.Booster) -> object:
    """XGBoost's own JSON of a booster."""
    return json.loads(bytes(booster.save_raw("json")))


def booster_from_json(document: object) -> xgboost.Booster:
    """A booster from XGBoost's own JSON. Raises ValueError."""
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(json.dumps(document).encode()))
    except xgboost.core.XGBoostError as error:
        raise ValueError(f"not a booster: {str(error).splitlines()[0]}") from error
    return booster
