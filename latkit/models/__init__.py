"""Latency models: measurements in, seconds with an interval out."""

from latkit.models.base import LatencyModel, Origin
from latkit.models.boosted import XGBoostModel, numbers
from latkit.models.calibration import Calibration
from latkit.models.files import load_model, save_model
from latkit.models.lookup import LookupModel
from latkit.models.sampling import choose
from latkit.models.transfer import TransferModel, choose_networks
from latkit.models.trees import MIN_OPS_TO_FIT, KindModel, fit_kind

MODELS: dict[str, type[LatencyModel]] = {"lookup": LookupModel, "xgboost": XGBoostModel}
"""The kinds of latency model that a target's own measurements suffice for, by name."""

KINDS = (*MODELS, TransferModel.kind)
"""The names of all kinds."""

__all__ = [
    "KINDS",
    "MIN_OPS_TO_FIT",
    "MODELS",
    "Calibration",
    "KindModel",
    "LatencyModel",
    "LookupModel",
    "Origin",
    "TransferModel",
    "XGBoostModel",
    "choose",
    "choose_networks",
    "fit_kind",
    "load_model",
    "numbers",
    "save_model",
]
