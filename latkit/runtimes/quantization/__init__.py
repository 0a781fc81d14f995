"""Quantization of exported files: a precision for every submodule, calibrated on given inputs."""

from __future__ import annotations

from latkit.runtimes.quantization.plan import Quantization
from latkit.runtimes.quantization.scopes import ScopeReader, last_module

__all__ = ["Quantization", "ScopeReader", "last_module"]
