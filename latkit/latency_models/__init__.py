"""Latency models: measurements in, seconds with an interval out."""

from latkit.latency_models.base import LatencyModel, Origin
from latkit.latency_models.batch_selection import select_batch
from latkit.latency_models.calibration import Calibration
from latkit.latency_models.lookup import LookupModel
from latkit.latency_models.residual_trees import MIN_OPS_TO_FIT, KindModel, fit_kind
from latkit.latency_models.serialization import load_model, save_model
from latkit.latency_models.transfer import TransferModel, choose_networks
from latkit.latency_models.xgboost_model import XGBoostModel, design_matrix

MODELS: dict[str, type[LatencyModel]] = {"lookup": LookupModel, "xgboost": XGBoostModel}
"""The kinds of latency model that need only a target's own measurements, by name."""

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
    "choose_networks",
    "design_matrix",
    "fit_kind",
    "load_model",
    "save_model",
    "select_batch",
]
