"""Latency models as JSON files."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from latkit._io import load_record, reading, write_text
from latkit.errors import UsageError
from latkit.latency_models.base import LatencyModel, Origin
from latkit.latency_models.bounds import Seconds
from latkit.latency_models.calibration import Calibration
from latkit.latency_models.features import feature_names
from latkit.latency_models.lookup import LookupModel
from latkit.latency_models.residual_trees import TreesEntry
from latkit.latency_models.roofline import TERMS
from latkit.latency_models.transfer import TransferModel
from latkit.latency_models.xgboost_model import XGBoostModel
from latkit.ops import KINDS, Op
from latkit.targets import Target
from latkit.timing import Environment, Estimate

FORMAT: Literal["latkit-model-4"] = "latkit-model-4"
"""Formats 1 to 3 differ in the features of their trees, and format 1 in its saved errors; only their lookup and
transfer models are read."""

OLDER = ("latkit-model-1", "latkit-model-2", "latkit-model-3")


class _OpEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    op: dict[str, Any]
    seconds: Seconds
    low_s: Seconds | None
    high_s: Seconds | None

    def estimate(self, imported: bool) -> Estimate:
        """As a record. In older files an imported latency without a deviation has an interval of zero width."""
        if self.low_s is None or self.high_s is None or (imported and self.low_s == self.high_s > 0):
            return Estimate(self.seconds, None, None)
        return Estimate(self.seconds, self.low_s, self.high_s)


class _ModelFile(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    format: Literal["latkit-model-1", "latkit-model-2", "latkit-model-3", "latkit-model-4"] = FORMAT
    kind: Literal["lookup", "xgboost", "transfer"]
    target: str
    environment: Environment = Field(alias="setup")
    estimator: str
    reference_s: Seconds
    network_keys: list[str]
    imported: str = ""
    calibration: Calibration
    ops: list[_OpEntry]
    kinds: dict[str, TreesEntry] = {}
    sources: list[str] = []

    @model_validator(mode="before")
    @classmethod
    def _trees_of_another_format(cls, document: Any) -> Any:
        if isinstance(document, dict) and document.get("kinds") and document.get("format") in OLDER:
            raise ValueError("trees of an older latkit, which know other features; run latkit fit again")
        return document


def save_model(model: LatencyModel, path: str | os.PathLike[str]) -> None:
    """Write a fitted model as JSON, atomically."""
    if not isinstance(model, LookupModel | XGBoostModel | TransferModel):
        raise UsageError(f"expected a look-up, an XGBoost or a transfer model, but found {type(model).__name__}")
    origin = model.origin_
    kinds = model.kinds_ if isinstance(model, XGBoostModel) else {}
    document = {
        "format": FORMAT,
        "kind": model.kind,
        "target": str(origin.target),
        "setup": origin.environment.to_json(),
        "estimator": origin.estimator,
        "reference_s": origin.reference_s,
        "network_keys": sorted(origin.network_keys),
        "imported": origin.imported,
        "calibration": asdict(model.calibration_),
        "ops": [{"op": op.to_json(), **asdict(latency)} for op, latency in model.ops_.items()],
        "kinds": {name: TreesEntry.of(kind).model_dump() for name, kind in kinds.items()},
        "sources": list(model.sources_) if isinstance(model, TransferModel) else [],
    }
    write_text(path, json.dumps(document, indent=1) + "\n")


def load_model(path: str | os.PathLike[str]) -> LatencyModel:
    """Read a model. Raises BadFile."""
    expected = f"a latency model of format {FORMAT!r}"
    entry = load_record(path, _ModelFile, expected)
    with reading(path, expected):
        ops = {Op.from_json(row.op): row.estimate(bool(entry.imported)) for row in entry.ops if _is_installed(row.op)}
        model = _learned(entry, ops)
        model.origin_ = Origin(
            Target.parse(entry.target),
            entry.environment,
            entry.estimator,
            entry.reference_s,
            frozenset(entry.network_keys),
            entry.imported,
        )
        model.calibration_ = entry.calibration
        return model


def _learned(entry: _ModelFile, ops: dict[Op, Estimate]) -> LatencyModel:
    if entry.kind == "xgboost":
        return _trees(ops, entry.kinds)
    model = LookupModel() if entry.kind == "lookup" else TransferModel()
    model.ops_ = ops
    if isinstance(model, TransferModel):
        model.sources_ = tuple(entry.sources)
    return model


def _trees(ops: dict[Op, Estimate], kinds: dict[str, TreesEntry]) -> XGBoostModel:
    model = XGBoostModel()
    model.ops_ = ops
    model.predicted_ = {}
    known = KINDS.items()
    model.kinds_ = {
        name: kind.model(len(TERMS), len(feature_names(list(known[name].attributes))))
        for name, kind in kinds.items()
        if name in known
    }
    return model


def _is_installed(op: dict[str, Any]) -> bool:
    """Whether an op's kind can be used here: an op of a plug-in that is not installed does not affect the others."""
    return not isinstance(op.get("kind"), str) or op["kind"] in KINDS.items()
