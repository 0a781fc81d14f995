"""Latency models: measurements in, seconds with an interval out."""

from latkit.models.base import LatencyModel, Origin
from latkit.models.boosted import XGBoostModel
from latkit.models.calibration import Calibration
from latkit.models.files import load_model, save_model
from latkit.models.lookup import LookupModel

MODELS: dict[str, type[LatencyModel]] = {"lookup": LookupModel, "xgboost": XGBoostModel}
"""The kinds of latency model by name."""

__all__ = [
    "MODELS",
    "Calibration",
    "LatencyModel",
    "LookupModel",
    "Origin",
    "XGBoostModel",
    "load_model",
    "save_model",
]
