"""Prediction of unmeasured kernels: boosted trees over a roofline, per kind of kernel with enough measurements."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from latkit._io.arrays import Floats
from latkit.errors import NotMeasured
from latkit.latency_models.kernels.features import KernelSpec, features, roofline
from latkit.latency_models.trees.residual_trees import MIN_OPS_TO_FIT, KindModel, fit_baseline, fit_kind

RUN, MACS, OUTPUTS = 0, 1, 3
ELEMENTS = [2, 3, 4]
"""Places of terms in `roofline`: of a run, MACs, output elements; and of inputs, outputs and weights."""

LONG = 10.0
"""A kernel this many times longer than the shortest shows the target's rate."""

MAX_ERROR = 10.0
"""Maximum standard deviation of a relative error that is recorded."""

MIN_S = 1e-8
"""Minimum predicted seconds of a kernel."""


@dataclass(frozen=True, slots=True)
class AnchorModel:
    """The model of the kernels of one anchor."""

    light_kinds: tuple[str, ...]
    """Kinds of light units measured beside it, in the order of the features."""
    lows: Floats
    highs: Floats
    """Minimum and maximum roofline terms of the kernels in the fit, shape (9,)."""
    baseline: Floats
    """Seconds per unit of each roofline term; used alone where there are too few kernels for trees."""
    bound: Floats
    """Minimum seconds per unit of single terms, the best of all kinds on the target; zero where trees predict."""
    trees: KindModel | None
    relative_error: float
    """Standard deviation of the relative error on kernels left out of the fit."""

    def seconds(self, specs: Sequence[KernelSpec]) -> Floats:
        """Predicted seconds, shape (len(specs),)."""
        terms = np.array([roofline(spec) for spec in specs])
        if self.trees is None:
            return self._baseline_seconds(terms)
        return self.trees.seconds(terms, np.array([features(spec, self.light_kinds) for spec in specs]))

    def _baseline_seconds(self, terms: Floats) -> Floats:
        """Seconds without trees, of terms of shape (..., terms): the fit, but no faster than the roofline."""
        seconds: Floats = np.maximum(terms @ self.baseline, (terms * self.bound).max(axis=-1)).clip(min=MIN_S)
        return seconds

    def few_error(self, spec: KernelSpec, error: float) -> float:
        """Relative error of a prediction, where few kernels of the kind were measured; 0 where many were.

        `error` at least; outside the measured range, as if the latency grew with the term that grows most.
        """
        if self.trees is not None:
            return 0.0
        terms = roofline(spec)
        beyond = float((terms / np.maximum(self.highs, 1)).max())
        largest, predicted = (self._baseline_seconds(one) for one in (self.highs, terms))
        return max(error, float(beyond * largest / predicted) - 1)

    def extrapolates(self, spec: KernelSpec) -> bool:
        """Whether a kernel is outside the range of the kernels in the fit."""
        terms = roofline(spec)
        return bool((terms < self.lows).any() or (terms > self.highs).any())


def fit_anchors(specs: Sequence[KernelSpec], seconds: Sequence[float]) -> tuple[dict[str, AnchorModel], Floats]:
    """A model for every anchor, and for every kernel the prediction when it is left out, in seconds."""
    left_out = np.array(seconds, dtype=np.float64)
    bound = best_rates(np.array([roofline(spec) for spec in specs]), left_out)
    models: dict[str, AnchorModel] = {}
    for anchor in sorted({spec.anchor for spec in specs}):
        places = [place for place, spec in enumerate(specs) if spec.anchor == anchor]
        model, errors = _fit_anchor([specs[place] for place in places], left_out[places], bound)
        models[anchor] = model
        left_out[places] *= np.exp(errors)
    return models, left_out


ANY = "*"
"""The name of the model of all kernels together, for kernels that cannot be measured."""


def fit_any(specs: Sequence[KernelSpec], seconds: Floats) -> AnchorModel:
    """A model of all kernels, whatever their kind: the cost of a run, of a MAC, and of an element moved."""
    terms = np.array([roofline(spec) for spec in specs])
    baseline, no_bound = fit_few(terms, seconds), np.zeros(terms.shape[1])
    errors = np.log((terms @ baseline).clip(min=MIN_S) / seconds)
    return AnchorModel(
        (), terms.min(axis=0), terms.max(axis=0), baseline, no_bound, None, min(_root_mean_square(errors), MAX_ERROR)
    )


def best_rates(terms: Floats, seconds: Floats) -> Floats:
    """Minimum seconds per MAC, and per output element of kernels without MACs, shape (terms,); zero for other terms.

    The roofline of a target (Williams et al. 2009): no kernel computes or writes faster. Inputs and weights give no
    bound, since a kernel may read only a part of them. Kernels that take less than `LONG` times as long as the shortest
    do not count: the cost of a run hides their rate. A rate that no kernel shows is zero, which bounds nothing.
    """
    rates = np.zeros(terms.shape[1])
    is_long = seconds >= LONG * seconds.min()
    has_macs = terms[:, MACS] > 0
    for term, shows in ((MACS, has_macs), (OUTPUTS, ~has_macs & (terms[:, OUTPUTS] > 0))):
        used = is_long & shows
        rates[term] = (seconds[used] / terms[used, term]).min() if used.any() else 0.0
    return rates


def fit_few(terms: Floats, seconds: Floats) -> Floats:
    """Seconds per unit of each term from fewer kernels than terms: of a run, a MAC, and an element moved.

    docs/concepts/external-models.md compares it with a fit of all terms.
    """
    moved = terms[:, ELEMENTS].sum(axis=1)
    run, mac, element = fit_baseline(np.stack([np.ones(len(terms)), terms[:, MACS], moved], axis=1), seconds)
    baseline = np.zeros(terms.shape[1])
    baseline[RUN], baseline[MACS], baseline[ELEMENTS] = run, mac, element
    return baseline


def _fit_anchor(specs: Sequence[KernelSpec], seconds: Floats, bound: Floats) -> tuple[AnchorModel, Floats]:
    light_kinds = tuple(sorted({kind for spec in specs for kind in spec.light_kinds}))
    terms = np.array([roofline(spec) for spec in specs])
    lows, highs = terms.min(axis=0), terms.max(axis=0)
    if len(specs) >= MIN_OPS_TO_FIT:
        trees = fit_kind(terms, np.array([features(spec, light_kinds) for spec in specs]), seconds)
        baseline, none = fit_baseline(terms, seconds), np.zeros_like(bound)
        error = _root_mean_square(trees.errors)
        return AnchorModel(light_kinds, lows, highs, baseline, none, trees, error), trees.errors
    baseline = (fit_few if len(specs) < terms.shape[1] else fit_baseline)(terms, seconds)
    errors = np.log((terms @ baseline).clip(min=MIN_S) / seconds)
    return AnchorModel(light_kinds, lows, highs, baseline, bound, None, _root_mean_square(errors)), errors


def _root_mean_square(errors: Floats) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def predict_kernels(
    models: Mapping[str, AnchorModel], specs: Sequence[KernelSpec], unmeasurable: Collection[str] = ()
) -> Floats:
    """Predicted seconds of kernels of any anchor, shape (len(pieces),): one call of the trees per anchor.

    `unmeasurable`: keys of kernels that a runtime rejects alone.
    Raises NotMeasured naming a kernel of an unknown kind.
    """
    names = [model_name(models, spec, spec.key in unmeasurable) for spec in specs]
    seconds = np.empty(len(specs))
    for name in set(names):
        places = [place for place, one in enumerate(names) if one == name]
        seconds[places] = models[name].seconds([specs[place] for place in places])
    return seconds


def model_name(models: Mapping[str, AnchorModel], spec: KernelSpec, unmeasurable: bool) -> str:
    """The name of the model that predicts a kernel: its anchor, or `ANY` where it cannot be measured and no other of
    its kind was. Raises NotMeasured."""
    try:
        check_known(models, spec)
    except NotMeasured:
        if unmeasurable and ANY in models:
            return ANY
        raise
    return spec.anchor


def check_known(models: Mapping[str, AnchorModel], spec: KernelSpec) -> None:
    """Raise NotMeasured where no kernel of that anchor, or with that light work beside it, was measured."""
    known = models.get(spec.anchor)
    if known is None:
        raise NotMeasured(f"no kernel {spec.kind!r} was measured yet, nor any other of its kind")
    unknown = spec.light_kinds - set(known.light_kinds)
    if unknown:
        raise NotMeasured(f"no kernel {spec.kind!r} was measured yet, nor any {spec.anchor} with {min(unknown)}")
