"""Scores of sub-networks predicted from their options, by networks or regressions on bootstrap samples."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from latkit._io import load_record, other_format, write_record
from latkit._io.arrays import Floats
from latkit.errors import UsageError
from latkit.search.records.base import Record
from latkit.search.tasks.names import DEFAULT_METRIC

FORMATS = tuple(f"latkit-{DEFAULT_METRIC}-predictor-{number}" for number in (1, 2))
DECAY, MIN_SAMPLES = 1.0, 8
HIDDEN = (64, 64)
"""Features of the layers of a multilayer perceptron. The published predictor has three of 400, for 16,000 samples."""
MLP_DECAY, MLP_ITERATIONS = 3.0, 150
MAX_BYTES = 64 * 2**20
COVERAGE = 0.9

Layer = tuple[Floats, Floats]
"""Weights (inputs, outputs) and biases (outputs,)."""
Member = list[Layer]
"""Layers with ReLU between them."""


class PredictorReport(Record):
    """How well scores were predicted that the predictor did not learn from."""

    learned: int
    held_out: int
    kendall: float | None
    """Kendall's tau; None where all scores are equal."""
    mean_error: float
    """Mean absolute error, in the unit of the score."""
    inside_90: float
    """Share of scores within the 90 % interval, 0 to 1."""
    kind: str = "ridge"
    """Of the predictor: `ridge` or `mlp`."""


class ScorePredictor:
    """The mean of members that learned from bootstrap samples of one-hot features.

    Its 90 % interval is the mean plus or minus `half_width`: the conformal quantile of the errors at samples, each
    predicted by the members that did not see it (Kim et al. 2020, jackknife+ after bootstrap).
    """

    def __init__(self, kind: str, members: Sequence[Member], half_width: float, space_key: str) -> None:
        self.kind, self.members, self.half_width, self.space_key = kind, list(members), half_width, space_key

    @classmethod
    def fit(
        cls,
        features: Floats,
        scores: Floats,
        seed: int,
        space_key: str,
        kind: str = "",
        observed: Floats | None = None,
    ) -> Self:
        """Learn from features of shape (n, features) and scores of shape (n,). Raises UsageError for too few.

        `kind`: one of `KINDS`; by default the one with the lesser error at samples that its members did not see.
        `observed`: scores that errors are of, where those that are learned have less noise.
        """
        if len(scores) < MIN_SAMPLES:
            raise UsageError(f"expected at least {MIN_SAMPLES} evaluated sub-networks, but found {len(scores)}")
        if kind and kind not in KINDS:
            raise UsageError(f"unknown score predictor {kind!r}; known kinds: {', '.join(KINDS)}")
        truth = scores if observed is None else observed
        fitted = [_bagged(one, features, scores, truth, seed) for one in ([kind] if kind else KINDS)]
        chosen, members, errors = min(fitted, key=lambda one: float(np.mean(one[2])))
        return cls(chosen, members, conformal_quantile(errors), space_key)

    def predict(self, features: Floats) -> Floats:
        """Scores, shape (n,)."""
        return np.asarray(np.mean([_forward(member, features) for member in self.members], axis=0))

    def judge(self, features: Floats, scores: Floats, learned: int) -> PredictorReport:
        """The error on sub-networks that were held out."""
        from scipy import stats

        predicted = self.predict(features)
        tau = float(stats.kendalltau(predicted, scores).statistic) if np.ptp(scores) > 0 else None
        errors = np.abs(predicted - scores)
        return PredictorReport(
            learned=learned,
            held_out=len(scores),
            kendall=tau,
            mean_error=float(errors.mean()),
            inside_90=float((errors <= self.half_width).mean()),
            kind=self.kind,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write as JSON, atomically."""
        members = [[[weights.tolist(), biases.tolist()] for weights, biases in member] for member in self.members]
        document = {"kind": self.kind, "members": members, "half_width": self.half_width, "space_key": self.space_key}
        write_record(path, {"format": FORMATS[-1], **document}, indent=None)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote, also an older release's. Raises BadFile."""
        found = load_record(path, _File, "a score predictor as JSON", MAX_BYTES)
        members = [[(np.array(weights), np.array(biases)) for weights, biases in one] for one in found.members]
        return cls(found.kind, members, found.half_width, found.space_key)


def conformal_quantile(errors: Sequence[float]) -> float:
    """The half width that covers a new sample with 90 % probability (Lei et al. 2018, section 2)."""
    ordered = sorted(errors)
    return ordered[min(math.ceil(COVERAGE * (len(ordered) + 1)), len(ordered)) - 1]


def _bagged(
    kind: str, features: Floats, scores: Floats, truth: Floats, seed: int
) -> tuple[str, list[Member], list[float]]:
    """Members, and the errors at samples of the mean of those that did not see them."""
    generator = np.random.default_rng(seed)
    count, (members, learn) = len(scores), KINDS[kind]
    center, scale = float(scores.mean()), float(scores.std()) or 1.0
    found: list[Member] = []
    unseen: list[list[float]] = [[] for _ in range(count)]
    for _ in range(members):
        bag = generator.integers(count, size=count)
        *hidden, (weights, biases) = learn(features[bag], (scores[bag] - center) / scale, generator)
        member = [*hidden, (weights * scale, biases * scale + center)]
        found.append(member)
        out = sorted(set(range(count)) - set(bag.tolist()))
        for at, value in zip(out, _forward(member, features[out]), strict=True):
            unseen[at].append(float(value))
    errors = [abs(float(np.mean(one)) - own) for one, own in zip(unseen, truth, strict=True) if one]
    return kind, found, errors


def _ridge(features: Floats, targets: Floats, _generator: np.random.Generator) -> Member:
    """Ridge regression."""
    inputs = np.column_stack((features, np.ones(len(targets))))
    found = np.linalg.solve(inputs.T @ inputs + DECAY * np.eye(inputs.shape[1]), inputs.T @ targets)
    return [(np.asarray(found[:-1, None]), np.asarray(found[-1:]))]


def _mlp(features: Floats, targets: Floats, generator: np.random.Generator) -> Member:
    """A multilayer perceptron (Cai et al. 2020, section 3.4), trained by L-BFGS."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    model = MLPRegressor(
        hidden_layer_sizes=HIDDEN,
        solver="lbfgs",
        alpha=MLP_DECAY,
        max_iter=MLP_ITERATIONS,
        random_state=int(generator.integers(2**31)),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is stopped early on purpose
        model.fit(features, targets)
    return list(zip(model.coefs_, model.intercepts_, strict=True))


KINDS: dict[str, tuple[int, Callable[[Floats, Floats, np.random.Generator], Member]]] = {
    "ridge": (20, _ridge),
    "mlp": (8, _mlp),
}
"""By name, the number of members, and what one learns from a bootstrap sample."""


def _forward(member: Member, features: Floats) -> Floats:
    values = features
    for number, (weights, biases) in enumerate(member):
        values = np.maximum(values, 0) if number else values
        values = values @ weights + biases
    return np.asarray(values[:, 0])


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    format: str
    kind: str = "ridge"
    members: list[list[tuple[list[list[float]], list[float]]]] = Field(min_length=1)
    half_width: float
    space_key: str

    @model_validator(mode="before")
    @classmethod
    def _read_first_format(cls, document: object) -> object:
        """The first format has one row of weights per regression, the bias last."""
        if not isinstance(document, dict) or document.get("format") not in FORMATS:
            found = document.get("format") if isinstance(document, dict) else None
            raise ValueError(other_format(found, FORMATS))
        if document["format"] == FORMATS[0]:
            rows = document.get("weights")
            if isinstance(rows, list) and all(isinstance(row, list) and row for row in rows):
                members = [[[[[weight] for weight in row[:-1]], row[-1:]]] for row in rows]
                return {**{name: value for name, value in document.items() if name != "weights"}, "members": members}
        return document
