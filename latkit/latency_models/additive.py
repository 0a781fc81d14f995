"""Additive latency models: a network's latency is the sum of its ops' costs, calibrated on measured networks."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from latkit._io import to_polars
from latkit.errors import NotMeasured, UsageError
from latkit.latency_models.base import LatencyModel, Origin
from latkit.latency_models.bounds import Seconds
from latkit.latency_models.calibration.conformal import around
from latkit.latency_models.calibration.model import Calibration
from latkit.latency_models.pair_terms import PairEntry, PairTerms
from latkit.ops import KINDS, Network, Op
from latkit.ops.precision import FP32
from latkit.targets import Target
from latkit.timing import Environment, Estimate, Workload, estimator_name

FORMATS = ("latkit-model-1", "latkit-model-2", "latkit-model-3", "latkit-model-4")
"""Formats 1 to 3 differ in the features of their trees, and format 1 in its saved errors; only their lookup and
transfer models are read."""

MAX_PAIRS = 100_000

_OTHER_PARTS: Mapping[str, Any] = {"kinds": {}, "sources": []}
"""Parts of a file that only some kinds fill; this format has them in every file."""


class OpEntry(BaseModel):
    """One op's latency in a file."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    op: dict[str, Any]
    seconds: Seconds
    low_s: Seconds | None
    high_s: Seconds | None

    @property
    def is_installed(self) -> bool:
        """Whether the op's kind can be used here; an op of a missing plug-in does not affect the others."""
        return not isinstance(self.op.get("kind"), str) or self.op["kind"] in KINDS.items()

    def estimate(self, imported: bool) -> Estimate:
        """As a record. In older files an imported latency without a deviation has an interval of zero width."""
        if self.low_s is None or self.high_s is None or (imported and self.low_s == self.high_s > 0):
            return Estimate(self.seconds, None, None)
        return Estimate(self.seconds, self.low_s, self.high_s)


class AdditiveFile(BaseModel):
    """A file of an additive model. Kinds with more in their files derive their own."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    format: Literal["latkit-model-1", "latkit-model-2", "latkit-model-3", "latkit-model-4"]
    kind: str
    target: str
    environment: Environment = Field(alias="setup")
    estimator: str
    reference_s: Seconds
    network_keys: list[str]
    imported: str = ""
    calibration: Calibration
    ops: list[OpEntry]
    pairs: list[PairEntry] = Field(default_factory=list, max_length=MAX_PAIRS)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_parts(cls, document: Any) -> Any:
        """Drop the parts of other kinds, which are empty."""
        if not isinstance(document, dict):
            return document
        others = {name: empty for name, empty in _OTHER_PARTS.items() if name not in cls.model_fields}
        return {name: value for name, value in document.items() if name not in others or value != others[name]}


class AdditiveModel(LatencyModel):
    """Latency of networks of ops: base + scale x (sum of the ops' costs + sum of the pair terms of neighbors)."""

    title = "a latency model of ops and networks"
    formats = FORMATS
    learns: ClassVar[bool] = False
    """Whether it predicts an op from others, so that every measured op improves it."""
    calibration_: Calibration
    ops_: Mapping[Op, Estimate]
    """Latencies of the ops that are looked up, without the runtime's fixed cost."""
    sources_: tuple[str, ...] = ()
    """Other targets that it learned from."""
    pairs_: PairTerms = PairTerms()
    """What neighbors cost together; none of a model of one precision whose pairs were not measured."""
    calibrated_pairs_: PairTerms = PairTerms()
    """The same in a network: calibrated."""
    precision_: str = FP32.name
    """The target's precision, which is that of ops that name none."""

    @abstractmethod
    def op_estimate(self, op: Op) -> Estimate:
        """Latency of one op measured alone, without the runtime's fixed cost. Raises NotMeasured."""

    def predict(self, workload: Workload) -> Estimate:
        """Latency of a network, or of a single op, in seconds with a 90 % interval, if one is known.

        Raises NotMeasured, and UsageError for a graph.
        """
        if isinstance(workload, Op):
            fixed_s = self.calibration_.base_s
            return self.op_estimate(workload).map(lambda seconds: seconds + fixed_s)
        if not isinstance(workload, Network):
            raise UsageError(f"expected an op or a network of ops for a {self.kind} model, but found a graph")
        ops = [self.op_estimate(op) for op in timed_ops(workload)]
        pairs_s = sum(self.calibrated_pairs_.of_network(workload))
        seconds = self.calibration_.base_s + sum(self.layer_seconds(timed_ops(workload))) + pairs_s
        half_width = self.calibration_.relative_half_width
        if half_width is not None:
            return around(seconds, math.log1p(half_width))
        # The error of op sums is unknown here: use the ops' own intervals, as if all their errors were equal.
        intervals = [op.interval for op in ops if op.interval is not None]
        if len(intervals) < len(ops):
            return Estimate(seconds, None, None)
        scale, middle_s = self.calibration_.scale, sum(op.seconds for op in ops)
        low_s, high_s = (sum(bounds) for bounds in zip(*intervals, strict=True))
        return Estimate(seconds, seconds - scale * (middle_s - low_s), seconds + scale * (high_s - middle_s))

    def layer_seconds(self, ops: Sequence[Op]) -> list[float]:
        """Contribution of each op to a network's latency, in seconds; 0 of identities. Raises NotMeasured."""
        return [0.0 if op.is_identity else self._op_seconds(op) for op in ops]

    def _op_seconds(self, op: Op) -> float:
        weight_bytes = op.in_precision(self.precision_).parameter_bytes
        return self.calibration_.op_seconds(self.op_estimate(op).seconds, weight_bytes)

    def network_seconds(self, network: Network) -> list[float]:
        """What each op adds to the latency of this network, its pairs with its producers included, in seconds.

        Raises NotMeasured.
        """
        pairs = self.calibrated_pairs_.of_network(network)
        return [own + pair for own, pair in zip(self.layer_seconds(network.ops), pairs, strict=True)]

    def has_pairs(self, ops: Sequence[Op]) -> bool:
        """Whether neighbors among these ops cost anything together."""
        return bool(self.pairs_.measured) or len({op.precision for op in ops}) > 1

    def pair_seconds(self, producer: Op, consumer: Op) -> float:
        """What two neighbors add to a network's latency beyond the contribution of each, in seconds.

        Raises NotMeasured for a conversion between precisions that was not measured.
        """
        return self.calibrated_pairs_.seconds(producer, consumer)

    def _calibrate(self, calibration: Calibration) -> None:
        self.calibration_ = calibration
        within, beyond = calibration.scale, calibration.conversion_scale
        self.calibrated_pairs_ = self.pairs_.scaled(within, within if beyond is None else beyond)

    def base_seconds(self) -> float:
        """The part of a network's latency that does not depend on its ops, in seconds."""
        return self.calibration_.base_s

    def facts(self) -> dict[str, object]:
        """The number of ops, and the runtime's fixed cost."""
        return {"ops": len(self.ops_), "fixed cost": f"{1e3 * self.calibration_.base_s:.4g} ms"}

    def to_polars(self) -> Any:
        """A `polars.DataFrame` with a row for every op: `op`, `key`, `seconds`, `low_s`, `high_s`."""
        return to_polars(
            {"op": op.title, "key": op.key, "seconds": one.seconds, "low_s": one.low_s, "high_s": one.high_s}
            for op, one in self.ops_.items()
        )

    def knows(self, ops: Sequence[Op]) -> bool:
        """Whether it predicts all of these ops."""
        try:
            self.layer_seconds(ops)
        except NotMeasured:
            return False
        return True

    def to_json(self) -> dict[str, Any]:
        """The fitted model as a JSON document with its `kind` and `format`."""
        origin = self.origin_
        return {
            "format": self.formats[-1],
            "kind": self.kind,
            "target": str(origin.target),
            "setup": origin.environment.to_json(),
            "estimator": origin.estimator,
            "reference_s": origin.reference_s,
            "network_keys": sorted(origin.network_keys),
            "imported": origin.imported,
            "calibration": self.calibration_.to_json(),
            "ops": [{"op": op.to_json(), **asdict(latency)} for op, latency in self.ops_.items()],
            **({"pairs": [entry.model_dump() for entry in self.pairs_.entries()]} if self.pairs_.measured else {}),
            **_OTHER_PARTS,
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """The model of a JSON document. Raises UsageError, or ValueError as pydantic does."""
        return cls._of(AdditiveFile.model_validate(document))

    @classmethod
    def _of(cls, entry: AdditiveFile) -> Self:
        """The model with everything that all additive models have in their files."""
        model = cls()
        is_imported = bool(entry.imported)
        model.ops_ = {Op.from_json(row.op): row.estimate(is_imported) for row in entry.ops if row.is_installed}
        model.origin_ = Origin(
            Target.parse(entry.target),
            entry.environment,
            estimator_name(entry.estimator),
            entry.reference_s,
            frozenset(entry.network_keys),
            entry.imported,
        )
        model.pairs_ = PairTerms.of_entries(entry.pairs)
        model._calibrate(entry.calibration)
        model.precision_ = model.origin_.target.precision
        return model


def timed_ops(network: Network) -> list[Op]:
    """The ops of a network that take time."""
    return [op for op in network.ops if not op.is_identity]
