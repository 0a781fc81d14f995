"""Boosted trees over a physical baseline, on plain numbers: for ops and for kernels of one kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from latkit._io.arrays import Floats
from latkit.errors import UsageError
from latkit.latency_models.bounds import MAX_LOG_ERROR, LogError, SecondsPerUnit
from latkit.latency_models.calibration.conformal import MIN_ERRORS, half_width
from latkit.latency_models.trees.boosters import booster_from_json, booster_to_json

MIN_OPS_TO_FIT = 12
"""Minimum number of measured latencies for a fit."""

FOLDS = 10
DEPTHS = (2, 4)
ROUNDS = (25, 50, 100, 200)
"""Grid of the cross-validation: tree depths and numbers of trees."""

MIN_S = 1e-9
"""Minimum of the baseline, since its logarithm is taken."""

PARAMETERS = {"eta": 0.1, "subsample": 0.8, "min_child_weight": 2, "lambda": 1.0, "nthread": 1, "seed": 0}


@dataclass(frozen=True, slots=True)
class KindModel:
    """Latencies of one kind of op or kernel: log latency = log of a physical baseline + boosted trees.

    The baseline is a non-negative sum of roofline terms, so extrapolation stays plausible.
    """

    baseline: Floats
    """Seconds per unit of each roofline term, shape (terms,)."""
    booster: Any
    """xgboost.Booster; the module is imported where trees are made, since it takes a second."""
    errors: Floats
    """log(predicted / measured) of every latency fitted on, each when its fold was left out, shape (n,)."""

    def seconds(self, terms: Floats, features: Floats) -> Floats:
        """Predicted seconds, shape (n,), of roofline terms of shape (n, terms) and features of shape (n, features)."""
        correction = self.booster.predict(_matrix(self.baseline, terms, features))
        bounded: Floats = correction.astype(np.float64).clip(-MAX_LOG_ERROR, MAX_LOG_ERROR)
        return _baseline_seconds(self.baseline, terms) * np.exp(bounded)

    @property
    def log_half_width(self) -> float:
        """Half the width of a prediction's 90 % interval, in the logarithm."""
        known = half_width(self.errors)
        assert known is not None, f"fitted on at least {MIN_OPS_TO_FIT}"
        return known

    def importance(self) -> Floats:
        """Importance of each feature: the gain of all splits on it, shape (features,)."""
        gains = self.booster.get_score(importance_type="total_gain")
        count = self.booster.num_features() - len(self.baseline) - 1
        return np.array([np.sum(gains.get(f"f{number}", 0.0)) for number in range(count)])


class TreesEntry(BaseModel):
    """One kind's model in a file."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    baseline: list[SecondsPerUnit]
    errors: list[LogError] = Field(min_length=MIN_ERRORS)
    booster: dict[str, Any]

    @classmethod
    def of(cls, model: KindModel) -> TreesEntry:
        """The entry of a model."""
        booster = booster_to_json(model.booster)
        assert isinstance(booster, dict)
        return cls(baseline=model.baseline.tolist(), errors=model.errors.tolist(), booster=booster)

    def model(self, terms: int, features: int) -> KindModel:
        """The model, for a number of roofline terms and features. Raises UsageError and pydantic's ValidationError."""
        if len(self.baseline) != terms:
            raise UsageError(f"a baseline of {len(self.baseline)} terms in place of {terms}; run latkit fit again")
        booster = booster_from_json(self.booster, features + 1 + terms)
        return KindModel(np.array(self.baseline), booster, np.array(self.errors))


def fit_kind(terms: Floats, features: Floats, seconds: Floats) -> KindModel:
    """Fit one kind's model on measured seconds of shape (n,); n is at least `MIN_OPS_TO_FIT`.

    `terms`, shape (n, terms), are counts that latency grows with (MACs, elements, ...; a column of ones for the cost of
    any run); `features`, shape (n, features), are further inputs of the trees. The trees' depth and number are those
    with the least error on latencies left out.
    """
    from sklearn.model_selection import KFold

    folds = list(KFold(min(FOLDS, len(seconds)), shuffle=True, random_state=0).split(seconds))
    tried = [(depth, _left_out_errors(terms, features, seconds, folds, depth)) for depth in DEPTHS]
    squares = np.array([(errors**2).mean(axis=1) for _, errors in tried])  # (depths, rounds)
    best, number = np.unravel_index(squares.argmin(), squares.shape)
    depth, errors = tried[int(best)]
    baseline, booster = _fit(terms, features, seconds, depth, ROUNDS[number])
    return KindModel(baseline, booster, errors[number])


def _left_out_errors(
    terms: Floats, features: Floats, seconds: Floats, folds: list[tuple[NDArray[np.intp], NDArray[np.intp]]], depth: int
) -> Floats:
    """log(predicted / measured) of every latency when it is left out, by number of trees; shape (rounds, n)."""
    errors = np.empty((len(ROUNDS), len(seconds)))
    for train, test in folds:
        baseline, booster = _fit(terms[train], features[train], seconds[train], depth, ROUNDS[-1])
        offset = np.log(_baseline_seconds(baseline, terms[test]) / seconds[test])
        matrix = _matrix(baseline, terms[test], features[test])
        for number, rounds in enumerate(ROUNDS):
            errors[number, test] = offset + booster.predict(matrix, iteration_range=(0, rounds))
    return errors


def _fit(terms: Floats, features: Floats, seconds: Floats, depth: int, rounds: int) -> tuple[Floats, Any]:
    import xgboost

    baseline = fit_baseline(terms, seconds)
    residual = np.log(seconds / _baseline_seconds(baseline, terms))
    parameters = {**PARAMETERS, "max_depth": depth}
    return baseline, xgboost.train(parameters, _matrix(baseline, terms, features, residual), rounds)


def _matrix(baseline: Floats, terms: Floats, features: Floats, label: Floats | None = None) -> Any:
    """Input of the trees: the features, the baseline's logarithm, and each term's share of it."""
    import xgboost

    parts = terms * baseline
    total = parts.sum(axis=1, keepdims=True).clip(min=MIN_S)
    return xgboost.DMatrix(np.concatenate([features, np.log(total), parts / total], axis=1), label=label)


def fit_baseline(terms: Floats, seconds: Floats) -> Floats:
    """Non-negative seconds per unit of each term, shape (terms,): those with the least squared relative errors."""
    from scipy.optimize import nnls

    scale = terms.max(axis=0).clip(min=1)
    # Relative errors matter, so every row is divided by its latency.
    weights, _ = nnls(terms / scale / seconds[:, None], np.ones(len(seconds)))
    found: Floats = weights / scale
    return found


def _baseline_seconds(baseline: Floats, terms: Floats) -> Floats:
    """Seconds of the baseline, shape (n,)."""
    seconds: Floats = terms @ baseline
    return seconds.clip(min=MIN_S)
