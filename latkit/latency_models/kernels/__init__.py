"""Latency of external (ONNX) networks: the graph is cut into kernels as the runtime does, each kernel predicted."""

from latkit.latency_models.kernels.calibration import NetworkCalibration
from latkit.latency_models.kernels.model import KernelModel, KernelRow, Prediction

__all__ = ["KernelModel", "KernelRow", "NetworkCalibration", "Prediction"]
