"""Runtimes: each executes networks on a device, and exports networks to files for it. One file per runtime."""

from __future__ import annotations

from pathlib import Path

from latkit._registry import Registry
from latkit.errors import UsageError
from latkit.runtimes.artifact import Artifact
from latkit.runtimes.base import Runtime, Wheels

RUNTIMES: Registry[Runtime] = Registry(
    "runtime",
    "latkit.runtimes",
    Runtime,
    {
        "onnxruntime": "latkit.runtimes.onnxruntime:ONNXRUNTIME",
        "tflite": "latkit.runtimes.tflite:TFLITE",
        "torch": "latkit.runtimes.torch:TORCH",
        "torch_cuda": "latkit.runtimes.torch:TORCH_CUDA",
    },
)
"""Every runtime, by the name that a target gives it."""


def get_runtime(name: str) -> Runtime:
    """The runtime of that name; UsageError lists the existing ones."""
    return RUNTIMES.get(name)


def list_runtimes() -> list[Runtime]:
    """All runtimes that can be used: those of latkit first, then those of plug-ins."""
    return sorted(RUNTIMES.items().values(), key=lambda runtime: RUNTIMES.origin(runtime.name) != "latkit")


def runtime_of_file(path: Path) -> Runtime:
    """The first runtime whose files have that suffix; UsageError where none has."""
    for runtime in list_runtimes():
        if runtime.suffix == path.suffix:
            return runtime
    raise UsageError(f"expected a file that a runtime executes, but found {path.name}")


__all__ = ["RUNTIMES", "Artifact", "Runtime", "Wheels", "get_runtime", "list_runtimes", "runtime_of_file"]
