"""Latency models: measurements in, seconds with an interval out."""

from latkit.latency_models.additive import AdditiveModel
from latkit.latency_models.base import LatencyModel, Origin
from latkit.latency_models.calibration.model import Calibration
from latkit.latency_models.kernels import KernelModel
from latkit.latency_models.lookup import LookupModel
from latkit.latency_models.op_model import OpModel
from latkit.latency_models.registry import MODEL_KINDS, get_model_kind, load_model, model_kinds, register_model
from latkit.latency_models.transfer import TransferModel, choose_networks
from latkit.latency_models.trees.batch_selection import select_batch
from latkit.latency_models.trees.residual_trees import MIN_OPS_TO_FIT, KindModel, fit_kind
from latkit.latency_models.xgboost_model import XGBoostModel, design_matrix

__all__ = [
    "MIN_OPS_TO_FIT",
    "MODEL_KINDS",
    "AdditiveModel",
    "Calibration",
    "KernelModel",
    "KindModel",
    "LatencyModel",
    "LookupModel",
    "OpModel",
    "Origin",
    "TransferModel",
    "XGBoostModel",
    "choose_networks",
    "design_matrix",
    "fit_kind",
    "get_model_kind",
    "load_model",
    "model_kinds",
    "register_model",
    "select_batch",
]
