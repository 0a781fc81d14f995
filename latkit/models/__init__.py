"""Latency models: measurements in, seconds with an interval out."""

from latkit.models.base import LatencyModel, Origin
from latkit.models.boosted import XGBoostModel, numbers
from latkit.models.calibration import Calibration
from latkit.models.files import load_model, save_model
from latkit.models.lookup import LookupModel
from latkit.models.sampling import choose
from latkit.models.trees import FEWEST, KindModel, fit_kind

MODELS: dict[str, type[LatencyModel]] = {"lookup": LookupModel, "xgboost": XGBoostModel}
"""The kinds of latency model by name."""

__all__ = [
    "FEWEST",
    "MODELS",
    "Calibration",
    "KindModel",
    "LatencyModel",
    "LookupModel",
    "Origin",
    "XGBoostModel",
    "choose",
    "fit_kind",
    "load_model",
    "numbers",
    "save_model",
]
