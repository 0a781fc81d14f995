"""Latency models as JSON files."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from latkit._io import write_text
from latkit.errors import BadFile, UsageError
from latkit.models.base import LatencyModel, Origin
from latkit.models.boosted import XGBoostModel
from latkit.models.calibration import Calibration
from latkit.models.lookup import LookupModel
from latkit.models.transfer import TransferModel
from latkit.models.trees import KindModel, booster_from_json, booster_to_json
from latkit.ops import Op
from latkit.targets import Target
from latkit.timing import Estimate, Setup

FORMAT: Literal["latkit-model-4"] = "latkit-model-4"
"""Formats 1 to 3 differ in what their trees were given, 1 also in what was kept of their errors; their look-up and
transfer models are read."""

OLDER = ("latkit-model-1", "latkit-model-2", "latkit-model-3")


class _OpEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    op: dict[str, Any]
    seconds: float = Field(ge=0)
    low_s: float = Field(ge=0)
    high_s: float = Field(ge=0)


class _KindEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    baseline: list[float]
    errors: list[float]
    booster: dict[str, Any]


class _ModelFile(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    format: Literal["latkit-model-1", "latkit-model-2", "latkit-model-3", "latkit-model-4"] = FORMAT
    kind: Literal["lookup", "xgboost", "transfer"]
    target: str
    setup: Setup
    estimator: str
    reference_s: float = Field(ge=0)
    network_keys: list[str]
    imported: str = ""
    calibration: Calibration
    ops: list[_OpEntry]
    kinds: dict[str, _KindEntry] = {}
    sources: list[str] = []

    @model_validator(mode="before")
    @classmethod
    def _trees_of_another_format(cls, document: Any) -> Any:
        if isinstance(document, dict) and document.get("kinds") and document.get("format") in OLDER:
            raise ValueError("trees of an older latkit, which know other features; run latkit fit again")
        return document


def save_model(model: LatencyModel, path: str | os.PathLike[str]) -> None:
    """Write a fitted model as JSON, whole or not at all."""
    if not isinstance(model, LookupModel | XGBoostModel | TransferModel):
        raise UsageError(f"expected a look-up, an XGBoost or a transfer model, but found {type(model).__name__}")
    origin = model.origin_
    kinds = model.kinds_ if isinstance(model, XGBoostModel) else {}
    document = {
        "format": FORMAT,
        "kind": model.kind,
        "target": str(origin.target),
        "setup": asdict(origin.setup),
        "estimator": origin.estimator,
        "reference_s": origin.reference_s,
        "network_keys": sorted(origin.network_keys),
        "imported": origin.imported,
        "calibration": asdict(model.calibration_),
        "ops": [{"op": op.to_json(), **asdict(latency)} for op, latency in model.ops_.items()],
        "kinds": {
            name: {
                "baseline": kind.baseline.tolist(),
                "errors": kind.errors.tolist(),
                "booster": booster_to_json(kind.booster),
            }
            for name, kind in kinds.items()
        },
        "sources": list(model.sources_) if isinstance(model, TransferModel) else [],
    }
    write_text(path, json.dumps(document, indent=1) + "\n")


def load_model(path: str | os.PathLike[str]) -> LatencyModel:
    """Read a model. Raises BadFile."""
    expected = f"a latency model of format {FORMAT!r}"
    try:
        entry = _ModelFile.model_validate_json(Path(path).read_bytes())
        ops = {Op.from_json(row.op): Estimate(row.seconds, row.low_s, row.high_s) for row in entry.ops}
        model = _learned(entry, ops)
        target = Target.parse(entry.target)
    except FileNotFoundError:
        raise BadFile(path, expected, "no such file") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise BadFile(path, expected, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (OSError, ValueError, UsageError) as error:
        raise BadFile(path, expected, str(error)) from error
    model.origin_ = Origin(
        target, entry.setup, entry.estimator, entry.reference_s, frozenset(entry.network_keys), entry.imported
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


def _trees(ops: dict[Op, Estimate], kinds: dict[str, _KindEntry]) -> XGBoostModel:
    model = XGBoostModel()
    model.ops_ = ops
    model.predicted_ = {}
    model.kinds_ = {
        name: KindModel(np.array(kind.baseline), booster_from_json(kind.booster), np.array(kind.errors))
        for name, kind in kinds.items()
    }
    return model
