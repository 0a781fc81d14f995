"""Prediction of unmeasured kernels: boosted trees over a roofline, per kind of kernel with enough measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from latkit._io.arrays import Floats
from latkit.errors import NotMeasured
from latkit.latency_models.kernels.features import KernelSpec, features, roofline
from latkit.latency_models.residual_trees import MIN_OPS_TO_FIT, KindModel, fit_baseline, fit_kind

MIN_S = 1e-8
"""Minimum predicted seconds of a kernel."""


@dataclass(frozen=True, slots=True)
class AnchorModel:
    """The model of the kernels of one anchor."""

    light_kinds: tuple[str, ...]
    """Kinds of light units measured beside it, in the order of the features."""
    lows: Floats
    highs: Floats
    """Minimum and maximum roofline terms of the kernels in the fit, shape (7,)."""
    baseline: Floats
    """Seconds per unit of each roofline term; used alone where there are too few kernels for trees."""
    trees: KindModel | None
    relative_error: float
    """Standard deviation of the relative error on kernels left out of the fit."""

    def seconds(self, specs: Sequence[KernelSpec]) -> Floats:
        """Predicted seconds, shape (len(pieces),)."""
        terms = np.array([roofline(spec) for spec in specs])
        if self.trees is None:
            return (terms @ self.baseline).clip(min=MIN_S)
        return self.trees.seconds(terms, np.array([features(spec, self.light_kinds) for spec in specs]))

    def few_error(self, spec: KernelSpec, error: float) -> float:
        """Relative error of a prediction, where few kernels of the kind were measured; 0 where many were.

        `error` at least; outside the measured range, as if the latency grew with the term that grows most.
        """
        if self.trees is not None:
            return 0.0
        terms = roofline(spec)
        beyond = float((terms / np.maximum(self.highs, 1)).max())
        largest, predicted = ((one @ self.baseline).clip(min=MIN_S) for one in (self.highs, terms))
        return max(error, float(beyond * largest / predicted) - 1)

    def extrapolates(self, spec: KernelSpec) -> bool:
        """Whether a kernel is outside the range of the kernels in the fit."""
        terms = roofline(spec)
        return bool((terms < self.lows).any() or (terms > self.highs).any())


def fit_anchors(specs: Sequence[KernelSpec], seconds: Sequence[float]) -> tuple[dict[str, AnchorModel], Floats]:
    """A model for every anchor, and for every kernel the prediction when it is left out, in seconds."""
    left_out = np.array(seconds, dtype=np.float64)
    models: dict[str, AnchorModel] = {}
    for anchor in sorted({spec.anchor for spec in specs}):
        places = [place for place, spec in enumerate(specs) if spec.anchor == anchor]
        model, errors = _fit_anchor([specs[place] for place in places], left_out[places])
        models[anchor] = model
        left_out[places] *= np.exp(errors)
    return models, left_out


def _fit_anchor(specs: Sequence[KernelSpec], seconds: Floats) -> tuple[AnchorModel, Floats]:
    light_kinds = tuple(sorted({kind for spec in specs for kind in spec.light_kinds}))
    terms = np.array([roofline(spec) for spec in specs])
    trees = None
    baseline = fit_baseline(terms, seconds)
    errors = np.log((terms @ baseline).clip(min=MIN_S) / seconds)
    if len(specs) >= MIN_OPS_TO_FIT:
        trees = fit_kind(terms, np.array([features(spec, light_kinds) for spec in specs]), seconds)
        errors = trees.errors
    error = float(np.sqrt(np.mean(errors**2)))
    return AnchorModel(light_kinds, terms.min(axis=0), terms.max(axis=0), baseline, trees, error), errors


def predict_kernels(models: Mapping[str, AnchorModel], specs: Sequence[KernelSpec]) -> Floats:
    """Predicted seconds of kernels of any anchor, shape (len(pieces),): one call of the trees per anchor.

    Raises NotMeasured naming a kernel of an unknown kind.
    """
    for spec in specs:
        check_known(models, spec)
    seconds = np.empty(len(specs))
    for anchor in {spec.anchor for spec in specs}:
        places = [place for place, spec in enumerate(specs) if spec.anchor == anchor]
        seconds[places] = models[anchor].seconds([specs[place] for place in places])
    return seconds


def check_known(models: Mapping[str, AnchorModel], spec: KernelSpec) -> None:
    """Raise NotMeasured where no kernel of that anchor, or with that light work beside it, was measured."""
    known = models.get(spec.anchor)
    if known is None:
        raise NotMeasured(f"no kernel {spec.kind!r} was measured yet, nor any other of its kind")
    unknown = spec.light_kinds - set(known.light_kinds)
    if unknown:
        raise NotMeasured(f"no kernel {spec.kind!r} was measured yet, nor any {spec.anchor} with {min(unknown)}")
