"""A user's own torch module as a model file, exported with its own weights for inputs of the example's shapes."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from latkit._io import one_line
from latkit.artifacts.files import FORMATS, ModelSource
from latkit.artifacts.weights import for_inference
from latkit.artifacts.write import write_artifact
from latkit.errors import ExportError, UsageError
from latkit.runtimes import list_runtimes
from latkit.runtimes.artifact import Artifact
from latkit.runtimes.base import Runtime

INPUT_NUMBER = re.compile(r"(?:args_|input)(\d+)")
"""In the names that exporters give the inputs; a single input has no number."""


def export_user_module(runtime: Runtime, module: object, example: object, path: Path) -> Artifact:
    """Export a module in evaluation mode; it is not changed. The file at `path` is written atomically.

    `example`: a tensor, or a sequence with one tensor for each argument, with the batch. Raises UsageError for what is
    no module or no example, and where the runtime's files cannot be profiled; ExportError with the exporter's reason.
    """
    if runtime.suffix not in FORMATS:
        able = " or ".join(one.name for one in list_runtimes() if one.suffix in FORMATS)
        raise UsageError(f"expected a target with {able} to profile a torch module on, but found {runtime.name}")
    if not isinstance(module, nn.Module):
        raise UsageError(f"expected a torch module to profile, but found {type(module).__name__}")
    examples = example_tensors(example)
    title = type(module).__name__
    inferring = _inferring(module)
    try:
        with torch.no_grad():
            found = inferring(*examples)
    except Exception as error:  # a module may raise anything
        raise ExportError(
            f"{title} fails on its example: {type(error).__name__}: {one_line(str(error), 300)}"
        ) from error
    outputs = found if isinstance(found, tuple | list) else (found,)
    if not all(isinstance(one, torch.Tensor) for one in outputs):
        kinds = one_line(", ".join(type(one).__name__ for one in outputs), 120)
        raise ExportError(f"expected {title} to return a tensor or a tuple of tensors, but found {kinds}")
    with warnings.catch_warnings():
        # checks on fixed shapes, such as the guards of an exported program
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        return write_artifact(runtime, lambda unfinished: runtime.export(inferring, examples, unfinished), path, title)


def example_tensors(example: object) -> tuple[torch.Tensor, ...]:
    """The example's tensors on the CPU. Raises UsageError."""
    found = tuple(example) if isinstance(example, Sequence) and not isinstance(example, str) else (example,)
    tensors = tuple(one.detach().cpu() for one in found if isinstance(one, torch.Tensor))
    if not tensors or len(tensors) != len(found):
        kinds = one_line(", ".join(type(one).__name__ for one in found), 120) or "none"
        raise UsageError(f"expected a tensor, or a tuple of tensors, as the module's example, but found {kinds}")
    return tensors


def example_values(source: ModelSource, examples: Sequence[torch.Tensor]) -> Mapping[str, np.ndarray[Any, Any]]:
    """The example's values by input of the exported file, in the layout of the file.

    An argument that the module does not use is no input of the file. Raises ExportError for an unexpected input.
    """
    found = {}
    for tensor in source.model.inputs:
        match = INPUT_NUMBER.search(tensor.name)
        place = int(match[1]) if match else 0
        values = examples[place] if place < len(examples) else torch.empty(0)
        if tuple(values.shape) != tensor.shape and values.dim() == 4:
            values = values.permute(0, 2, 3, 1)  # TFLite files take images channels last
        if tuple(values.shape) != tensor.shape:
            raise ExportError(f"{source.path.name}: expected inputs of the example's shapes, but found {tensor.shape}")
        found[tensor.name] = values.contiguous().numpy()
    return found


def _inferring(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode. The module of an exported program (`torch.export`) is fixed, and refuses to change
    its mode even to the one that it has.
    """
    if "eval" not in vars(module):
        return for_inference(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fixed = copy.deepcopy(module)
    for name in ("eval", "train"):
        vars(fixed).pop(name, None)
    return fixed.cpu().requires_grad_(False)
