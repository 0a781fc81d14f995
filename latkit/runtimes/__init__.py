"""Runtimes: each executes networks on a device, and exports networks to files for it.

Export is in `latkit.runtimes.export` and `latkit.runtimes.cache`, which import torch; the names here do not.
"""

from __future__ import annotations

from importlib import import_module

from latkit.errors import UsageError
from latkit.runtimes.artifact import Artifact
from latkit.runtimes.base import Runtime
from latkit.targets import Target

CLASSES = {
    "onnxruntime": ("latkit.runtimes.onnxruntime", "OnnxRuntime"),
    "tflite": ("latkit.runtimes.tflite", "TFLite"),
    "torch": ("latkit.runtimes.torch", "Torch"),
    "torch_cuda": ("latkit.runtimes.torch", "TorchCuda"),
}
"""Module and class of every runtime. They import torch, so a module is imported only when its runtime is requested."""


def get_runtime(name: str) -> Runtime:
    """The runtime of that name; UsageError lists the existing ones."""
    if name not in CLASSES:
        raise UsageError(f"unknown runtime {name!r}; known runtimes: {', '.join(CLASSES)}")
    module, class_name = CLASSES[name]
    runtime: Runtime = getattr(import_module(module), class_name)()
    return runtime


def check_takes_graphs(target: Target) -> None:
    """Raise UsageError where a target's runtime takes no ONNX files, and so no kernels of them."""
    if not get_runtime(target.runtime).takes_graphs:
        raise UsageError(
            f"expected a target whose runtime takes ONNX files (onnxruntime), but found {target}: networks of a space "
            f"are measured there with: latkit collect {target} --space SPACE"
        )


__all__ = ["Artifact", "Runtime", "check_takes_graphs", "get_runtime"]
