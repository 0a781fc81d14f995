"""Latency of external (ONNX) networks: the graph is cut into kernels as the runtime does, each kernel predicted."""

from latkit.latency_models.kernels.files import load_kernel_model, save_kernel_model
from latkit.latency_models.kernels.model import KernelModel, KernelRow, NetworkCalibration, Prediction

__all__ = [
    "KernelModel",
    "KernelRow",
    "NetworkCalibration",
    "Prediction",
    "load_kernel_model",
    "save_kernel_model",
]
