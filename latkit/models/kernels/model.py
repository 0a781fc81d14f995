"""The latency of foreign networks on one target: fixed cost + kernels - what neighbours save, then calibrated."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.optimize import nnls

from latkit.errors import NotMeasured
from latkit.graphs import Cut, Graph, Rule, cut
from latkit.graphs.deciding import undecided
from latkit.models.base import Origin, common_origin
from latkit.models.intervals import half_width
from latkit.models.kernels.features import Floats, Piece, pieces_of
from latkit.models.kernels.regression import AnchorModel, check_known, fit_anchors, predict_pieces
from latkit.models.kernels.savings import MAX_SAVED_SHARE, Neighbours, Savings, Seen, group_pairs, saved_by_edge
from latkit.ops import FIXED_COST
from latkit.timing import DEFAULT_ESTIMATOR, Estimate, Measurement, Workload, estimate, reference_seconds

MIN_KERNELS = 8
"""A graph of fewer kernels is no network: what was timed to learn how the runtime fuses tells nothing of a whole."""

MIN_NETWORKS = 5
"""With fewer whole networks nothing is learned from them but how far predictions are off."""

MIN_KERNEL_S = 5e-7
"""No kernel takes less: below it lies the noise of the fixed cost, which every measured kernel is less."""

UNKNOWN_ERROR = 0.3
"""Half width of an interval, as a share, where no network was measured at all."""

FEW_ERROR = 1.0
"""The same, of a kernel whose kind is known from a few kernels only; larger beyond those."""


@dataclass(frozen=True, slots=True)
class KernelRow:
    """What one kernel adds to a network."""

    kind: str
    macs: int
    bytes: int
    seconds: float
    share: float
    known: str
    """`measured`, `predicted`, or `extrapolated`: predicted, and smaller or larger than all that were measured."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Latency of a foreign network, and what each of its kernels adds to it."""

    latency: Estimate
    kernels: tuple[KernelRow, ...]
    fixed_s: float
    few_measured: tuple[str, ...] = ()
    """Kinds of which too few kernels were measured to tell how far off a prediction is; the interval is wide."""


@dataclass(frozen=True, slots=True)
class NetworkCalibration:
    """What sums of kernels leave out: latency = fixed + scale x (kernels - savings) + per kernel + per weight.

    A kernel in a network finds its weights and its code further away than one that runs again and again.
    """

    scale: float = 1.0
    per_kernel_s: float = 0.0
    per_weight_s: float = 0.0
    networks: int = 0
    measured_error: float = UNKNOWN_ERROR
    """Half width of the 90 % interval, as a share, of networks all of whose kernels were measured."""
    predicted_error: float = UNKNOWN_ERROR
    """The same where none was."""


class KernelModel:
    """Predicts graphs from measurements of graphs. Learned names end in an underscore and exist after `fit`."""

    origin_: Origin
    rules_: frozenset[Rule]
    fixed_s_: float
    measured_: dict[str, float]
    """Seconds of every measured kernel without the fixed cost, by its graph's key."""
    anchors_: dict[str, AnchorModel]
    savings_: Savings
    calibration_: NetworkCalibration

    def fit(
        self, measurements: Sequence[Measurement], rules: Collection[Rule], estimator: str = DEFAULT_ESTIMATOR
    ) -> Self:
        """Fit on measurements of `FIXED_COST` and of graphs, all of one target and setup; others are ignored.

        A graph that the rules leave in one piece is a kernel, one in two a pair of neighbours, one in many a network.
        Graphs whose shapes hang on values that are not there were timed at other sizes: they are ignored as well.
        Raises MeasurementConflict, NotMeasured, or UsageError.
        """
        target, environment = common_origin(measurements)
        reference_s = reference_seconds(measurements)
        seconds = {m.workload: estimate(m, reference_s, estimator).seconds for m in measurements}
        if FIXED_COST not in seconds:
            raise NotMeasured(
                f"the fixed cost of {target} was not measured; run: latkit collect {target} --kernels 400"
            )
        self.rules_ = frozenset(rules)
        self.fixed_s_ = seconds[FIXED_COST]
        cuts = {s: cut(s, rules) for s in seconds if isinstance(s, Graph) and not undecided(s)}
        whole = {graph: parts for graph, parts in cuts.items() if len(parts.kernels) >= MIN_KERNELS}
        left_out = self._fit_kernels([c for c in cuts.values() if len(c.kernels) == 1 and not c.views], seconds)
        self.savings_ = group_pairs(self._pairs([c for c in cuts.values() if len(c.kernels) == 2], seconds))
        self.origin_ = Origin(target, environment, estimator, reference_s, frozenset(graph.key for graph in whole))
        self.calibration_ = NetworkCalibration()
        self.calibration_ = self._calibrate(list(whole.values()), [seconds[graph] for graph in whole], left_out)
        return self

    def _fit_kernels(self, alone: Sequence[Cut], seconds: Mapping[Workload, float]) -> dict[str, float]:
        """Learn the kernels; what is predicted of each when it is left out."""
        if not alone:
            raise NotMeasured("no kernel was measured yet")
        pieces = [piece for parts in alone for piece in pieces_of(parts)]
        without = [max(seconds[parts.graph] - self.fixed_s_, MIN_KERNEL_S) for parts in alone]
        self.measured_ = {piece.key: s for piece, s in zip(pieces, without, strict=True)}
        self.anchors_, left_out = fit_anchors(pieces, without)
        return {piece.key: float(s) for piece, s in zip(pieces, left_out, strict=True)}

    def _pairs(self, pairs: Sequence[Cut], seconds: Mapping[Workload, float]) -> list[tuple[Neighbours, Seen]]:
        seen = []
        for parts in pairs:
            keys = [piece.key for piece in pieces_of(parts)]
            if len(parts.edges) != 1 or not all(key in self.measured_ for key in keys):
                continue
            (edge,) = parts.edges
            alone_s = sum(self.measured_[key] for key in keys)
            saved_s = alone_s - (seconds[parts.graph] - self.fixed_s_)
            neighbours = parts.kernels[edge.giver].anchor, edge.entry, edge.takers > 1
            seen.append((neighbours, Seen(edge.elements, saved_s, alone_s)))
        return seen

    def _calibrate(
        self, networks: Sequence[Cut], measured_s: Sequence[float], left_out: Mapping[str, float]
    ) -> NetworkCalibration:
        """Fit what whole networks cost beyond the sum of their kernels, and how far it is off."""
        usable = [(parts, s) for parts, s in zip(networks, measured_s, strict=True) if self._covers(parts)]
        if len(usable) < MIN_NETWORKS:
            return NetworkCalibration(networks=len(usable))
        known = np.array([self._amounts(parts, self.measured_) for parts, _ in usable])
        guessed = np.array([self._amounts(parts, left_out) for parts, _ in usable])
        target = np.array([s - self.fixed_s_ for _, s in usable])
        weights = _relative_fit(known, target)
        errors = [_left_out_errors(known, amounts, target, self.fixed_s_) for amounts in (known, guessed)]
        measured_error, predicted_error = (half_width(found) or UNKNOWN_ERROR for found in errors)
        scale, per_kernel_s, per_weight_s = (float(weight) for weight in weights)
        return NetworkCalibration(scale, per_kernel_s, per_weight_s, len(usable), measured_error, predicted_error)

    def _covers(self, parts: Cut) -> bool:
        try:
            for piece in pieces_of(parts):
                check_known(self.anchors_, piece)
        except NotMeasured:
            return False
        return True

    def _amounts(self, parts: Cut, known: Mapping[str, float]) -> Floats:
        """(kernels less savings in seconds, number of kernels, number of weights) of a network, shape (3,)."""
        pieces = pieces_of(parts)
        seconds, _ = self._kernel_seconds(pieces, known)
        return np.array([self._less_savings(parts, seconds).sum(), len(pieces), parts.graph.parameters])

    def _kernel_seconds(self, pieces: Sequence[Piece], known: Mapping[str, float]) -> tuple[Floats, list[bool]]:
        """Seconds of every kernel, looked up or predicted, and which were looked up."""
        seconds = {piece.key: known[piece.key] for piece in pieces if piece.key in known}
        lacking = list({piece.key: piece for piece in pieces if piece.key not in known}.values())
        if lacking:
            predicted = predict_pieces(self.anchors_, lacking).tolist()
            seconds |= {piece.key: s for piece, s in zip(lacking, predicted, strict=True)}
        return np.array([seconds[piece.key] for piece in pieces]), [piece.key in known for piece in pieces]

    def predict(self, graph: Graph, *, measured: bool = True) -> Prediction:
        """Latency of a graph with a 90 % interval, and a row per kernel; rows and fixed cost sum to the latency.

        With `measured` false, nothing is looked up: as if none of its kernels had been measured. Raises NotMeasured
        naming the kernels of kinds never seen, and the command that measures them.
        """
        parts = cut(graph, self.rules_)
        pieces = pieces_of(parts)
        self._check_all(pieces)
        seconds, looked_up = self._kernel_seconds(pieces, self.measured_ if measured else {})
        added = self._added(parts, pieces, seconds)
        latency = self.fixed_s_ + float(added.sum())
        share = float(seconds[looked_up].sum() / seconds.sum()) if len(seconds) else 1.0
        few = [self._few_error(piece, there) for piece, there in zip(pieces, looked_up, strict=True)]
        half = self._half_width(share, float(added @ np.array(few, dtype=np.float64)) / latency)
        words = [self._known(piece, there) for piece, there in zip(pieces, looked_up, strict=True)]
        rows = tuple(
            KernelRow(piece.kind, piece.macs, piece.bytes, float(s), float(s) / latency, word)
            for piece, s, word in zip(pieces, added, words, strict=True)
        )
        kinds = tuple(sorted({piece.anchor for piece, error in zip(pieces, few, strict=True) if error}))
        interval = Estimate(latency, latency * max(0.0, 1 - half), latency * (1 + half))
        return Prediction(interval, rows, self.fixed_s_, kinds)

    def _half_width(self, share: float, few_error: float) -> float:
        """Half width of the interval, as a share, by how much was looked up and what is owed to hardly known kinds."""
        known, unknown = self.calibration_.measured_error, self.calibration_.predicted_error
        return float(np.sqrt(known**2 + ((1 - share) * unknown) ** 2 + few_error**2))

    def _few_error(self, piece: Piece, looked_up: bool) -> float:
        """How far off a kernel may be, as a share, because few of its kind were measured; 0 of well-known kinds."""
        return 0.0 if looked_up else self.anchors_[piece.anchor].few_error(piece, FEW_ERROR)

    def _check_all(self, pieces: Sequence[Piece]) -> None:
        reasons = []
        for piece in pieces:
            try:
                if piece.key not in self.measured_:
                    check_known(self.anchors_, piece)
            except NotMeasured as error:
                reasons.append(str(error))
        if reasons:
            raise NotMeasured(
                f"{'; '.join(dict.fromkeys(reasons))}. Measure this network's own kernels with: "
                f"latkit collect {self.origin_.target} --model MODEL.onnx"
            )

    def _added(self, parts: Cut, pieces: Sequence[Piece], seconds: Floats) -> Floats:
        """What every kernel adds: its own time less half of what it saves with each neighbour, calibrated."""
        added = self._less_savings(parts, seconds)
        weights = np.array([piece.weights for piece in pieces], dtype=np.float64)
        calibration = self.calibration_
        return calibration.scale * added + calibration.per_kernel_s + calibration.per_weight_s * weights

    def _less_savings(self, parts: Cut, seconds: Floats) -> Floats:
        """Every kernel's seconds less half of what it saves with each neighbour; a tenth of it is left at least."""
        left = seconds.copy()
        for edge, saved in zip(parts.edges, saved_by_edge(parts, self.savings_), strict=True):
            left[[edge.giver, edge.taker]] -= (
                min(saved, MAX_SAVED_SHARE * (seconds[edge.giver] + seconds[edge.taker])) / 2
            )
        return np.maximum(left, seconds / 10)

    def _known(self, piece: Piece, looked_up: bool) -> str:
        if looked_up:
            return "measured"
        return "extrapolated" if self.anchors_[piece.anchor].extrapolates(piece) else "predicted"


def _relative_fit(amounts: Floats, seconds: Floats) -> Floats:
    """Non-negative seconds per unit of each amount, those of the least squared relative errors, shape (3,)."""
    scale = amounts.max(axis=0).clip(min=1e-12)
    weights, _ = nnls(amounts / scale / seconds[:, None], np.ones(len(seconds)))
    found: Floats = weights / scale
    return found


def _left_out_errors(known: Floats, amounts: Floats, seconds: Floats, fixed_s: float) -> Floats:
    """Relative error on every network when it is left out of the fit, shape (n,)."""
    errors = np.empty(len(seconds))
    for place in range(len(seconds)):
        weights = _relative_fit(np.delete(known, place, axis=0), np.delete(seconds, place))
        errors[place] = (fixed_s + amounts[place] @ weights) / (fixed_s + seconds[place]) - 1
    return errors
