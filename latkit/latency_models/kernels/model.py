"""Latency of external (ONNX) networks on one target: fixed cost + kernels - savings between neighbors, then
calibrated."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from latkit._io.arrays import Floats
from latkit.errors import NotMeasured, UsageError
from latkit.graphs import Graph, Partition, Rule, partition_graph
from latkit.graphs.onnx.deciding import undetermined_op
from latkit.graphs.partition import Kernel
from latkit.latency_models.base import LatencyModel, Origin, common_origin
from latkit.latency_models.kernels.adjacency import (
    MAX_SAVED_SHARE,
    Neighbors,
    PairTiming,
    Savings,
    group_pairs,
    saved_by_edge,
)
from latkit.latency_models.kernels.calibration import MeasuredNetworks, NetworkCalibration, calibrate
from latkit.latency_models.kernels.features import KernelSpec, kernel_specs, timed_parts
from latkit.latency_models.kernels.files import (
    FORMAT,
    KernelFile,
    anchor_entry,
    anchor_of,
    saving_entries,
    savings_of,
)
from latkit.latency_models.kernels.regression import (
    ANY,
    AnchorModel,
    fit_anchors,
    fit_any,
    model_name,
    predict_kernels,
)
from latkit.ops import OVERHEAD_PROBE
from latkit.targets import Target
from latkit.timing import (
    DEFAULT_ESTIMATOR,
    Estimate,
    Measurement,
    Workload,
    estimate,
    estimator_name,
    reference_seconds,
)

MIN_KERNELS = 8
"""Minimum kernels of a network: smaller graphs are fusion probes, which do not represent whole networks."""

MIN_KERNEL_S = 5e-7
"""Minimum seconds of a kernel: below it is the noise of the fixed cost, which is subtracted from every kernel."""

FEW_ERROR = 1.0
"""The same, for a kernel whose kind was measured only a few times; larger outside the measured range."""


@dataclass(frozen=True, slots=True)
class KernelRow:
    """Contribution of one kernel to a network."""

    kind: str
    macs: int
    bytes: int
    seconds: float
    share: float
    known: str
    """`measured`, `predicted`, `extrapolated` (predicted outside the measured range), or `estimated`: the runtime
    rejects it alone, and no other of its kind was measured."""
    nodes: tuple[str, ...] = ()
    """Names of its nodes, where the graph was read from a file."""
    output_shape: tuple[int, ...] = ()
    """Of its last node."""


@dataclass(frozen=True, slots=True)
class Prediction(Estimate):
    """Latency of an external network, and the contribution of each of its kernels."""

    kernels: tuple[KernelRow, ...]
    fixed_s: float
    few_measured: tuple[str, ...] = ()
    """Kinds with too few measured kernels to estimate the prediction error; the interval is wide."""


class KernelModel(LatencyModel):
    """Predicts graphs from measurements of graphs."""

    kind = "kernels"
    title = "a latency model of external networks"
    formats = (FORMAT,)
    json_indent = None
    fixed_s_: float
    measured_: dict[str, float]
    """Seconds of every measured kernel without the fixed cost, by its graph's key."""
    anchors_: dict[str, AnchorModel]
    savings_: Savings
    calibration_: NetworkCalibration

    def __init__(self, rules: Collection[Rule] = (), unmeasurable: Collection[str] = ()) -> None:
        """`rules`: which neighbors the target's runtime fuses, as fusion probes learn them. `unmeasurable`: keys of
        kernels that it rejects alone: their latency is estimated from all others, with a wide interval."""
        self.rules = frozenset(rules)
        self.unmeasurable = frozenset(unmeasurable)

    def fit(self, measurements: Sequence[Measurement], estimator: str = DEFAULT_ESTIMATOR) -> Self:
        """Fit on measurements of `OVERHEAD_PROBE` and of graphs, all of one target and environment; others are ignored.

        By the rules, a graph of one kernel is a kernel, of two a pair of neighbors, of many a network. Graphs whose
        shapes depend on missing values were timed at other sizes, so they are ignored as well. Raises
        MeasurementConflict, NotMeasured, or UsageError.
        """
        target, environment = common_origin(measurements)
        reference_s = reference_seconds(measurements)
        seconds = {m.workload: estimate(m, reference_s, estimator).seconds for m in measurements}
        if OVERHEAD_PROBE not in seconds:
            raise NotMeasured(f"the fixed cost of {target} was not measured; run: latkit collect kernels {target}")
        self.fixed_s_ = seconds[OVERHEAD_PROBE]
        graphs = [s for s in seconds if isinstance(s, Graph) and not undetermined_op(s)]
        cuts = [(parts, seconds[s]) for s in graphs if (parts := timed_parts(s, self.rules)) is not None]
        networks = [parts for parts, _ in cuts if len(parts.kernels) >= MIN_KERNELS]
        held_out = self._fit_kernels([(c, s) for c, s in cuts if len(c.kernels) == 1 and not c.views])
        self.savings_ = group_pairs(self._pairs([(c, s) for c, s in cuts if len(c.kernels) == 2]))
        keys = frozenset(parts.graph.key for parts in networks)
        self.origin_ = Origin(target, environment, estimator, reference_s, keys)
        usable = [parts for parts in networks if self._covers(parts)]
        (known, fractions), (predicted, _) = (self._all_cost_terms(usable, one) for one in (self.measured_, held_out))
        networks_s = np.array([seconds[parts.graph] - self.fixed_s_ for parts in usable])
        self.calibration_ = calibrate(MeasuredNetworks(known, predicted, fractions, networks_s), self.fixed_s_)
        return self

    def _fit_kernels(self, single_kernels: Sequence[tuple[Partition, float]]) -> dict[str, float]:
        """Fit the kernels, each with its seconds; returns the prediction of each when it is left out."""
        if not single_kernels:
            raise NotMeasured("no kernel was measured yet")
        specs = [spec for parts, _ in single_kernels for spec in kernel_specs(parts)]
        without = [max(seconds - self.fixed_s_, MIN_KERNEL_S) for _, seconds in single_kernels]
        self.measured_ = {spec.key: s for spec, s in zip(specs, without, strict=True)}
        self.anchors_, held_out = fit_anchors(specs, without)
        if self.unmeasurable:
            self.anchors_[ANY] = fit_any(specs, np.array(without, dtype=np.float64))
        return {spec.key: float(s) for spec, s in zip(specs, held_out, strict=True)}

    def _pairs(self, pairs: Sequence[tuple[Partition, float]]) -> list[tuple[Neighbors, PairTiming]]:
        timed = []
        for parts, seconds in pairs:
            keys = [spec.key for spec in kernel_specs(parts)]
            if len(parts.edges) != 1 or not all(key in self.measured_ for key in keys):
                continue
            (edge,) = parts.edges
            separate_s = sum(self.measured_[key] for key in keys)
            saved_s = separate_s - (seconds - self.fixed_s_)
            neighbors = parts.kernels[edge.producer].anchor, edge.entry, edge.consumers > 1
            timed.append((neighbors, PairTiming(edge.elements, saved_s, separate_s)))
        return timed

    def _covers(self, parts: Partition) -> bool:
        try:
            for spec in kernel_specs(parts):
                self._model_name(spec)
        except NotMeasured:
            return False
        return True

    def _all_cost_terms(self, networks: Sequence[Partition], known: Mapping[str, float]) -> tuple[Floats, Floats]:
        """The terms that networks are calibrated on, shape (networks, 4): kernels less savings in seconds, number of
        kernels, of weights, and of elements read and written; and the share of the seconds that is known, shape
        (networks,)."""
        rows, fractions = np.zeros((len(networks), 4)), np.zeros(len(networks))
        for place, parts in enumerate(networks):
            specs = kernel_specs(parts)
            seconds, is_known = self._kernel_seconds(specs, known)
            elements = sum(spec.input_elements + spec.output_elements for spec in specs)
            rows[place] = self._less_savings(parts, seconds).sum(), len(specs), parts.graph.parameters, elements
            fractions[place] = seconds[is_known].sum() / seconds.sum()
        return rows, fractions

    def _kernel_seconds(self, specs: Sequence[KernelSpec], known: Mapping[str, float]) -> tuple[Floats, list[bool]]:
        """Seconds of every kernel, looked up or predicted, and which were looked up."""
        seconds = {spec.key: known[spec.key] for spec in specs if spec.key in known}
        unmeasured = list({spec.key: spec for spec in specs if spec.key not in known}.values())
        if unmeasured:
            predicted = predict_kernels(self.anchors_, unmeasured, self.unmeasurable).tolist()
            seconds |= {spec.key: s for spec, s in zip(unmeasured, predicted, strict=True)}
        return np.array([seconds[spec.key] for spec in specs]), [spec.key in known for spec in specs]

    def predict(self, workload: Workload, *, measured: bool = True) -> Prediction:
        """Latency of a graph with a 90 % interval, and a row per kernel; rows and fixed cost sum to the latency.

        With `measured` false, nothing is looked up: as if none of its kernels had been measured. Raises NotMeasured
        naming the kernels of unknown kinds, and the command that measures them, and UsageError for ops and networks.
        """
        if not isinstance(workload, Graph):
            raise UsageError(f"expected a graph for a kernel model, but found {workload.title}")
        parts = partition_graph(workload, self.rules)
        specs = kernel_specs(parts)
        self._check_all(specs)
        seconds, is_measured = self._kernel_seconds(specs, self.measured_ if measured else {})
        added = self._added(parts, specs, seconds)
        latency = self.fixed_s_ + float(added.sum())
        share = float(seconds[is_measured].sum() / seconds.sum()) if len(seconds) else 1.0
        few_errors = [self._few_error(spec, there) for spec, there in zip(specs, is_measured, strict=True)]
        half = self._half_width(share, float(added @ np.array(few_errors, dtype=np.float64)) / latency)
        sources = [self._known(spec, there) for spec, there in zip(specs, is_measured, strict=True)]
        rows = tuple(
            KernelRow(spec.kind, spec.macs, spec.bytes, float(s), float(s) / latency, source, *_nodes(workload, kernel))
            for kernel, spec, s, source in zip(parts.kernels, specs, added, sources, strict=True)
        )
        kinds = tuple(sorted({spec.anchor for spec, error in zip(specs, few_errors, strict=True) if error}))
        low_s, high_s = latency * max(0.0, 1 - half), latency * (1 + half)
        return Prediction(latency, low_s, high_s, rows, self.fixed_s_, kinds)

    def to_json(self) -> dict[str, Any]:
        """The fitted model as a JSON document with its `kind` and `format`."""
        origin = self.origin_
        entry = KernelFile(
            target=str(origin.target),
            setup=origin.environment,
            estimator=origin.estimator,
            reference_s=origin.reference_s,
            network_keys=sorted(origin.network_keys),
            fixed_s=self.fixed_s_,
            rules=sorted(self.rules),
            unmeasurable=sorted(self.unmeasurable),
            measured=self.measured_,
            anchors={name: anchor_entry(anchor) for name, anchor in self.anchors_.items()},
            savings=saving_entries(self.savings_),
            calibration=self.calibration_,
        )
        return entry.model_dump(mode="json", by_alias=True)

    @classmethod
    def from_json(cls, document: object) -> Self:
        """The model of a JSON document. Raises UsageError, or ValueError as pydantic does."""
        entry = KernelFile.model_validate(document)
        model = cls(entry.rules, entry.unmeasurable)
        target, keys = Target.parse(entry.target), frozenset(entry.network_keys)
        estimator = estimator_name(entry.estimator)
        model.origin_ = Origin(target, entry.environment, estimator, entry.reference_s, keys)
        model.fixed_s_, model.measured_, model.calibration_ = entry.fixed_s, entry.measured, entry.calibration
        model.anchors_ = {name: anchor_of(anchor) for name, anchor in entry.anchors.items()}
        model.savings_ = savings_of(entry.savings)
        return model

    def _half_width(self, share: float, few_error: float) -> float:
        """Half width of the interval, relative, from the share that was looked up and the part of rarely measured
        kinds."""
        return math.hypot(self.calibration_.half_width(share), few_error)

    def _few_error(self, spec: KernelSpec, is_measured: bool) -> float:
        """Error of a kernel, relative, because few of its kind were measured; 0 for well-measured kinds."""
        return 0.0 if is_measured else self.anchors_[self._model_name(spec)].few_error(spec, FEW_ERROR)

    def _model_name(self, spec: KernelSpec) -> str:
        return model_name(self.anchors_, spec, spec.key in self.unmeasurable)

    def _check_all(self, specs: Sequence[KernelSpec]) -> None:
        reasons = []
        for spec in specs:
            try:
                if spec.key not in self.measured_:
                    self._model_name(spec)
            except NotMeasured as error:
                reasons.append(str(error))
        if reasons:
            raise NotMeasured(
                f"{'; '.join(dict.fromkeys(reasons))}. Measure this network's own kernels with: "
                f"latkit collect model {self.origin_.target} MODEL.onnx"
            )

    def _added(self, parts: Partition, specs: Sequence[KernelSpec], seconds: Floats) -> Floats:
        """Contribution of every kernel: its own time minus half of its saving with each neighbor, calibrated."""
        added = self._less_savings(parts, seconds)
        counts = [(1, spec.weights, spec.input_elements + spec.output_elements) for spec in specs]
        calibration = self.calibration_
        per_count = [calibration.per_kernel_s, calibration.per_weight_s, calibration.per_element_s]
        beyond: Floats = np.array(counts, dtype=np.float64).reshape(-1, 3) @ np.array(per_count)
        return calibration.scale * added + beyond

    def _less_savings(self, parts: Partition, seconds: Floats) -> Floats:
        """Every kernel's seconds minus its part of its saving with each neighbor; at least a tenth remains.

        A saving is shared in proportion to both kernels' seconds: neither can save more than it takes.
        """
        left = seconds.copy()
        for edge, saved in zip(parts.edges, saved_by_edge(parts, self.savings_), strict=True):
            both = [edge.producer, edge.consumer]
            left[both] -= seconds[both] * min(saved / seconds[both].sum(), MAX_SAVED_SHARE)
        return np.maximum(left, seconds / 10)

    def _known(self, spec: KernelSpec, is_measured: bool) -> str:
        if is_measured:
            return "measured"
        name = self._model_name(spec)
        if name == ANY:
            return "estimated"
        return "extrapolated" if self.anchors_[name].extrapolates(spec) else "predicted"


def _nodes(graph: Graph, kernel: Kernel) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The names of a kernel's nodes, if they are known, and the shape of its output."""
    names = tuple(graph.node_names[place] for place in kernel.members) if graph.node_names else ()
    return names, graph.nodes[max(kernel.members)].outputs[0].shape
