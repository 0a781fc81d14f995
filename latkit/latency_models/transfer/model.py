"""The transfer model: a chain's ops on a new target, from other targets' models and a few networks measured there."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import NormalDist
from typing import Any, Self

import numpy as np
from pydantic import Field

from latkit._io.arrays import Floats
from latkit.errors import NotMeasured, UsageError
from latkit.latency_models.additive import AdditiveFile, AdditiveModel, timed_ops
from latkit.latency_models.base import Origin, common_origin
from latkit.latency_models.calibration.conformal import CONFIDENCE
from latkit.latency_models.calibration.model import Calibration
from latkit.latency_models.lookup import not_measured
from latkit.latency_models.transfer.experimental_design import choose_rows
from latkit.latency_models.transfer.features import work_features
from latkit.latency_models.transfer.inference import Inferred, infer
from latkit.latency_models.transfer.prior import Prior
from latkit.ops import OVERHEAD_PROBE, Network, Op
from latkit.spaces import Space
from latkit.targets import Target
from latkit.timing import DEFAULT_ESTIMATOR, Estimate, Measurement, estimate, reference_seconds

MIN_NETWORKS = 3
"""Minimum networks for an interval: fewer give the new target's level, but not the prediction error."""

CANDIDATES = 1000
"""Number of networks of a space that the ones to measure are chosen from."""

WEIGHTINGS = ((1.0, 0.1, 0.1), (1.0, 1.0, 0.3), (0.3, 1.0, 1.0), (0.0, 1.0, 0.1), (0.0, 1.0, 0.02))
"""Weights of the differences between known targets, of the work of an op, and of each op by itself."""

SPREADS = (0.15, 0.4, 1.0, 2.5)
NOISES = (0.005, 0.02, 0.05)


class TransferFile(AdditiveFile):
    """Adds the targets that the model learned from."""

    sources: list[str] = Field(default_factory=list)


class TransferModel(AdditiveModel):
    """Latency of ops that were never measured on their target, inferred from whole networks that were.

    An op's cost is that on other targets, corrected by the measured networks: seconds of a network = fixed cost + sum
    over its ops, and each op's seconds are Gaussian about the known targets' mean (see `Prior`).
    """

    kind = "transfer"
    title = "a latency model fitted on other targets (latkit fit --from)"

    def __init__(self, sources: Mapping[Target, AdditiveModel] | None = None, ops: Sequence[Op] = ()) -> None:
        self.sources = dict(sources or {})
        self.ops = tuple(ops)

    def fit(self, measurements: Sequence[Measurement], estimator: str = DEFAULT_ESTIMATOR) -> Self:
        """Fit on networks of the given ops, and on `OVERHEAD_PROBE`; ops measured alone are ignored.

        Raises MeasurementConflict, NotMeasured where a source lacks an op or too little was measured, or UsageError.
        """
        target, environment = common_origin(measurements)
        reference_s = reference_seconds(measurements)
        latencies = {m.workload: estimate(m, reference_s, estimator).seconds for m in measurements}
        known = set(self.ops)
        networks = [s for s in latencies if isinstance(s, Network) and known.issuperset(timed_ops(s))]
        if OVERHEAD_PROBE not in latencies or len(networks) < MIN_NETWORKS:
            raise NotMeasured(
                f"expected the fixed cost and {MIN_NETWORKS} networks or more measured on {target}, but found "
                f"{len(networks)}; run: latkit collect space {target} --space SPACE --from OTHER_TARGET --networks 10"
            )
        fixed_s = latencies[OVERHEAD_PROBE]
        above_s = np.array([latencies[network] - fixed_s for network in networks])
        prior = _prior(self.ops, list(self.sources.values()), networks)
        errors = [_error(prior, above_s, left_out, fixed_s) for left_out in range(len(networks))]
        inferred = infer(prior, range(len(networks)), above_s)
        self._store_op_estimates(inferred, prior, len(networks))
        self.sources_ = tuple(map(str, self.sources))
        self.origin_ = Origin(
            target, environment, estimator, reference_s, frozenset(network.key for network in networks)
        )
        spread = float(np.sqrt(np.mean(np.expm1(errors) ** 2)))
        self.calibration_ = Calibration(fixed_s, 1.0, spread, len(networks), tuple(errors))
        return self

    def _store_op_estimates(self, inferred: Inferred, prior: Prior, networks: int) -> None:
        """Store the inferred ops, which follow the networks among the rows."""
        width = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * inferred.deviation
        floors = inferred.mean[:networks].mean() / prior.level[:networks].mean() * prior.level / 100
        rows = zip(self.ops, *(column[networks:] for column in (inferred.mean, width, floors)), strict=True)
        # An op that runs takes time, even where the Gaussian is negative.
        self.ops_ = {
            op: Estimate(max(mean, floor), max(mean - half, floor), max(mean, floor) + half)
            for op, mean, half, floor in rows
        }

    def to_json(self) -> dict[str, Any]:
        """The fitted model as a JSON document with its `kind` and `format`."""
        return super().to_json() | {"sources": list(self.sources_)}

    @classmethod
    def from_json(cls, document: object) -> Self:
        """The model of a JSON document. Raises UsageError, or ValueError as pydantic does."""
        entry = TransferFile.model_validate(document)
        model = cls._of(entry)
        model.sources_ = tuple(entry.sources)
        return model

    def op_estimate(self, op: Op) -> Estimate:
        """Inferred latency of one op, without the fixed cost. Raises NotMeasured for ops outside the fit."""
        if op not in self.ops_:
            raise NotMeasured(not_measured(op, self.ops_))
        return self.ops_[op]


def choose_networks(
    space: Space, sources: Sequence[AdditiveModel], count: int, measured: Sequence[Network] = ()
) -> list[Network]:
    """The networks of the space to measure on a new target, in addition to those `measured` there already.

    Raises NotMeasured where a source cannot predict an op of the space, UsageError where there is no source.
    """
    candidates = [*measured, *_candidates(space)]
    prior = _prior(space.ops(), sources, candidates).rows(range(len(candidates)))
    return [candidates[row] for row in choose_rows(prior, count, range(len(measured)))]


def _candidates(space: Space) -> list[Network]:
    """Networks of a space, seeded: half are drawn uniformly, half prefer some candidates in all layers.

    Uniform draws have similar counts of each candidate; the other half separates the candidates.
    """
    rng = random.Random(f"transfer {space.key}")
    widest = max(len(choice.options) for choice in space.choices)
    found: dict[str, Network] = {}
    for number in range(CANDIDATES):
        preferences = [1.0 if number % 2 else rng.gammavariate(0.3, 1.0) + 1e-9 for _ in range(widest)]
        network = space.decode(space.draw(partial(_preferred, preferences, rng)))
        found[network.key] = network
    return list(found.values())


def _preferred(preferences: Sequence[float], rng: random.Random, count: int) -> int:
    """One of the first `count` options, drawn by their preferences."""
    return rng.choices(range(count), preferences[:count])[0]


def _prior(ops: Sequence[Op], sources: Sequence[AdditiveModel], networks: Sequence[Network]) -> Prior:
    """The prior of networks, and then of ops alone, without the fixed cost.

    The parts are scaled on the ops: a spread of 0.15 lets ops be 15 % off the known targets' mean.
    """
    if not sources:
        raise UsageError("expected another target to learn from, but found none; name one with --from")
    seconds = np.array([source.layer_seconds(ops) for source in sources])
    relative = seconds / seconds.mean(axis=1, keepdims=True)
    level = relative.mean(axis=0)
    work = np.stack([work_features(op) for op in ops])
    work = work[:, work.any(axis=0)]
    parts = [(relative - level).T, work / (work / level[:, None]).mean(axis=0), np.diag(level)]
    counts = np.zeros((len(networks), len(ops)))
    places = {op: place for place, op in enumerate(ops)}
    for row, network in enumerate(networks):
        for op in timed_ops(network):
            counts[row, places[op]] += 1
    rows = np.vstack([counts, np.eye(len(ops))])
    return Prior(rows @ level, tuple(rows @ _rescaled(part, level) for part in parts), WEIGHTINGS, SPREADS, NOISES)


def _rescaled(part: Floats, level: Floats) -> Floats:
    """A part scaled to a mean square of 1 per op, relative to the op's level."""
    size = math.sqrt(float(((part / level[:, None]) ** 2).sum(axis=1).mean()))
    return part / size if size else part


def _error(prior: Prior, above_s: Floats, left_out: int, fixed_s: float) -> float:
    """log(predicted / measured) of a network when it was left out."""
    others = np.delete(np.arange(len(above_s)), left_out)
    reordered = prior.rows([*others, left_out])
    predicted = infer(reordered, range(len(others)), above_s[others]).mean[-1]
    return math.log(max(predicted + fixed_s, fixed_s) / (above_s[left_out] + fixed_s))
