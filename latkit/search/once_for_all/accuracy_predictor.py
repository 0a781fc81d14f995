"""Accuracy of sub-networks predicted from their options: ridge regressions on bootstrap samples."""

from __future__ import annotations

import json
import os
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from latkit._io import load_record, write_text
from latkit._io.arrays import Floats
from latkit.errors import UsageError

FORMAT: Literal["latkit-accuracy-predictor-1"] = "latkit-accuracy-predictor-1"
MEMBERS, DECAY, MIN_SAMPLES = 20, 1.0, 8
MAX_BYTES = 16 * 2**20


class PredictorReport(BaseModel):
    """How well accuracies were predicted that the predictor did not learn from."""

    model_config = ConfigDict(extra="forbid")
    learned: int
    held_out: int
    kendall: float | None
    """Kendall's tau; None where all accuracies are equal."""
    mean_error: float
    """Mean absolute error, in the unit of the accuracy."""
    inside_90: float
    """Share of accuracies within the 90 % interval, 0 to 1."""


class AccuracyPredictor:
    """The mean of ridge regressions on bootstrap samples of one-hot features.

    Its 90 % interval is the mean plus or minus `half_width`, a quantile of the errors of members at samples that they
    did not see.
    """

    def __init__(self, weights: Floats, half_width: float, space_key: str) -> None:
        self.weights, self.half_width, self.space_key = weights, half_width, space_key
        self._mean = weights.mean(axis=0)

    @classmethod
    def fit(cls, features: Floats, accuracies: Floats, seed: int, space_key: str) -> Self:
        """Learn from features of shape (n, features) and accuracies of shape (n,). Raises UsageError for too few."""
        count = len(accuracies)
        if count < MIN_SAMPLES:
            raise UsageError(f"expected at least {MIN_SAMPLES} evaluated sub-networks, but found {count}")
        generator = np.random.default_rng(seed)
        inputs = np.column_stack((features, np.ones(count)))
        center = accuracies.mean()
        weights: list[Floats] = []
        unseen: list[list[float]] = [[] for _ in range(count)]
        for _ in range(MEMBERS):
            bag = generator.integers(count, size=count)
            taken = inputs[bag]
            member = np.linalg.solve(
                taken.T @ taken + DECAY * np.eye(inputs.shape[1]), taken.T @ (accuracies[bag] - center)
            )
            member[-1] += center
            weights.append(member)
            for at in set(range(count)) - set(bag.tolist()):
                unseen[at].append(float(inputs[at] @ member))
        errors = [abs(np.mean(found) - truth) for found, truth in zip(unseen, accuracies, strict=True) if found]
        return cls(np.array(weights), float(np.quantile(errors, 0.9)), space_key)

    def predict(self, features: Floats) -> Floats:
        """Accuracies, shape (n,)."""
        return np.asarray(features @ self._mean[:-1] + self._mean[-1])

    def judge(self, features: Floats, accuracies: Floats, learned: int) -> PredictorReport:
        """The error on sub-networks that were held out."""
        from scipy import stats

        predicted = self.predict(features)
        tau = float(stats.kendalltau(predicted, accuracies).statistic) if np.ptp(accuracies) > 0 else None
        errors = np.abs(predicted - accuracies)
        return PredictorReport(
            learned=learned,
            held_out=len(accuracies),
            kendall=tau,
            mean_error=float(errors.mean()),
            inside_90=float((errors <= self.half_width).mean()),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write as JSON, atomically."""
        document = {"weights": self.weights.tolist(), "half_width": self.half_width, "space_key": self.space_key}
        write_text(path, json.dumps({"format": FORMAT, **document}) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote. Raises BadFile."""
        found = load_record(path, _File, "an accuracy predictor as JSON", MAX_BYTES)
        return cls(np.array(found.weights), found.half_width, found.space_key)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    format: Literal["latkit-accuracy-predictor-1"]
    weights: list[list[float]]
    half_width: float
    space_key: str
