"""Base of all latency models: fit on measurements, predict seconds with an interval, save and load."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from latkit._io import html_card, one_line_repr, other_format, reading, reading_json, write_record
from latkit.errors import NotMeasured, UsageError
from latkit.targets import Target
from latkit.timing import DEFAULT_ESTIMATOR, Environment, Estimate, Measurement, Workload, estimate


@dataclass(frozen=True, slots=True)
class Origin:
    """Source of a fitted model."""

    target: Target
    environment: Environment
    estimator: str
    reference_s: float
    """The baseline: the reference's latency on the idle device, which turns ratios into seconds."""
    network_keys: frozenset[str]
    """Keys of the networks used for calibration: a validation must not use them."""
    imported: str = ""
    """Source of latencies that were not measured here: a file and its hash; empty for measured ones."""


class LatencyModel(ABC):
    """Latency of workloads on one target, learned from measurements.

    A kind of model is one class, registered with `latkit.latency_models.register_model`. Its `__init__` stores the
    settings of a fit and works without arguments. Learned names end in an underscore and exist after `fit`.
    """

    kind: ClassVar[str]
    """Name of the kind, such as `lookup`."""
    title: ClassVar[str] = "a latency model"
    """What it is a model of, for messages."""
    formats: ClassVar[tuple[str, ...]]
    """Formats of its files that are read, such as `latkit-model-4`; the last one is written."""
    json_indent: ClassVar[int | None] = 1
    origin_: Origin

    @abstractmethod
    def fit(self, measurements: Sequence[Measurement], estimator: str = DEFAULT_ESTIMATOR) -> Self:
        """Fit on measurements of one target and environment; returns the model itself.

        `estimator`: how samples become a latency, one of `latkit.timing.ESTIMATORS`. Raises MeasurementConflict,
        NotMeasured, or UsageError.
        """

    @abstractmethod
    def predict(self, workload: Workload) -> Estimate:
        """Latency in seconds with a 90 % interval, if one is known. Raises NotMeasured."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The fitted model as a JSON document with its `kind` and `format`."""

    @classmethod
    @abstractmethod
    def from_json(cls, document: object) -> Self:
        """The model of a JSON document. Raises UsageError, or ValueError as pydantic does."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model as JSON, atomically."""
        write_record(path, self.to_json(), self.json_indent)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model of this kind. Raises BadFile. `latkit.latency_models.load_model` reads any kind."""
        with reading_json(path, cls.title) as document:
            return cls.from_file(path, document)

    @classmethod
    def from_file(cls, path: object, document: object) -> Self:
        """The model of a file's JSON document. Raises BadFile."""
        with reading(path, f"a latency model of format {cls.formats[-1]!r}"):
            check_format(document, cls.formats)
            return cls.from_json(document)

    def __repr__(self) -> str:
        return one_line_repr(type(self).__name__, *self._titled_facts())

    def _repr_html_(self) -> str:
        title, facts = self._titled_facts()
        return html_card(f"{type(self).__name__} {title}", facts)

    def _titled_facts(self) -> tuple[str, dict[str, object]]:
        """What it is a model of, and facts for people."""
        if not hasattr(self, "origin_"):
            return "of no target", {"state": "not fitted"}
        origin = self.origin_
        source = {"imported from": origin.imported} if origin.imported else {}
        facts = {"estimator": origin.estimator, "calibration networks": len(origin.network_keys)}
        return f"of {origin.target}", facts | source | self.facts()

    def facts(self) -> dict[str, object]:
        """Further facts of the fitted model, for people, by label."""
        return {}

    def seconds_of(self, measurement: Measurement) -> float:
        """The latency of a measurement by the model's own baseline and estimator, in seconds."""
        return estimate(measurement, self.origin_.reference_s, self.origin_.estimator).seconds


def check_format(document: object, formats: Sequence[str]) -> None:
    """Raise UsageError unless the document's format is one of those, of which the last is the newest.

    The error says whether an older or a newer latkit wrote the file, and what to do.
    """
    found = document.get("format") if isinstance(document, dict) else None
    if found in formats:
        return
    raise UsageError(other_format(found if isinstance(found, str) else None, formats, "run latkit fit again"))


def common_origin(measurements: Sequence[Measurement]) -> tuple[Target, Environment]:
    """The target and environment of all the measurements. Raises NotMeasured, UsageError, or MeasurementConflict."""
    if not measurements:
        raise NotMeasured("nothing was measured yet; run latkit collect first")
    first = measurements[0]
    for other in measurements[1:]:
        if other.target != first.target:
            raise UsageError(f"expected measurements of one target, but found {first.target} and {other.target}")
        first.environment.check_same(other.environment)
    return first.target, first.environment
