"""Export of a torch module, trained or not, with a precision for every part of it."""

from __future__ import annotations

import os
from pathlib import Path

from torch import Tensor, nn

from latkit.artifacts.export import Quantizing, precisions_of
from latkit.artifacts.weights import for_inference
from latkit.artifacts.write import write_artifact
from latkit.nn import example_input
from latkit.ops import Shape
from latkit.runtimes.artifact import Artifact
from latkit.runtimes.base import Runtime
from latkit.runtimes.quantization import Quantization

__all__ = ["calibration_batches", "export_quantized", "precisions_of"]


def export_quantized(
    runtime: Runtime,
    module: nn.Module,
    input_shape: Shape,
    plan: Quantization,
    path: str | os.PathLike[str],
    batch: int = 1,
) -> Artifact:
    """Export a module with its own weights for inputs of (batch, *input_shape), each part in its precision.

    It is put in evaluation mode with batch norms folded, as a copy. `plan` names submodules of `module` and holds the
    calibration inputs: use training images, never test images. The file at `path` is written atomically; run it with
    `runtime.load(path)`. For a network of ops, `precisions_of` gives the precisions of its module.

    Raises UsageError for a plan that does not fit the module, ExportError, and MissingExtra.
    """
    examples = (example_input(input_shape, batch),)
    plan.check(module, examples, runtime.precisions)
    exporting = Quantizing(runtime, for_inference(module), examples, plan)
    return write_artifact(runtime, exporting.write, Path(path), Path(path).name)


def calibration_batches(images: Tensor) -> tuple[tuple[Tensor, ...], ...]:
    """Images of shape (N, C, H, W), float32, as the calibration of a module with one input."""
    return ((images,),)
