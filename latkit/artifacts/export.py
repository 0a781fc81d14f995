"""Export of a torch module to an artifact, and the check that both compute the same."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import torch
from torch import nn

from latkit.artifacts import Workload, is_native
from latkit.artifacts.weights import for_inference, seeded_module
from latkit.artifacts.write import export_graph, write_artifact
from latkit.errors import ExportError, LatkitError
from latkit.graphs import Graph
from latkit.nn import example_input, example_inputs
from latkit.ops import Network, Op, Shape
from latkit.ops.precision import FP32
from latkit.runtimes import get_runtime
from latkit.runtimes.artifact import Artifact
from latkit.runtimes.base import Runtime
from latkit.runtimes.quantization import Quantization

CALIBRATION_SAMPLES = 4
"""Random inputs for the ranges of a network with generated weights: they need not be exact."""


def export_module(
    runtime: Runtime, module: nn.Module, input_shape: Shape, path: str | os.PathLike[str], batch: int = 1
) -> Artifact:
    """Export a module with its own weights, in evaluation mode and with batch norms folded; the module is not changed.

    `input_shape` is without the batch. The file at `path` is written atomically. Raises ExportError and MissingExtra.
    """
    path = Path(path)
    return _export(runtime, module, (example_input(input_shape, batch),), path, path.name)


def export_subject(
    runtime: Runtime,
    workload: Workload,
    path: str | os.PathLike[str],
    batch: int = 1,
    source: Path | None = None,
) -> Artifact:
    """Export an op, a network or a graph with weights generated from its key. Identity ops are left out.

    A network with ops in several precisions converts between them; where its first op is int8 its input is of 8-bit
    integers, and so is its output where its last op is. Weights are those of the same ops in the runtime's first
    precision, whose file may be given as `source`. A graph includes its batch. Raises ExportError, also where the
    runtime has no exporter for an op's precision.
    """
    if isinstance(workload, Graph):
        return export_graph(runtime, workload, Path(path))
    exported = workload.without_identities()
    _check_precisions(runtime, exported)
    try:
        module = seeded_module(exported.with_precision(runtime.precisions[0]))
    except LatkitError as error:
        raise ExportError(f"cannot build {workload.title}: {error}") from error
    examples = example_inputs(exported, batch)
    if is_native(runtime, exported):
        return _export(runtime, module, examples, Path(path), workload.title)
    plan = Quantization(precisions_of(exported), calibration_samples(exported, batch), float_io=False)
    exporting = Quantizing(runtime, for_inference(module), examples, plan)
    return write_artifact(runtime, partial(exporting.write, source=source), Path(path), workload.title)


@dataclass(frozen=True, slots=True)
class Quantizing:
    """A module that is exported in fp32, unless that file is there, and then quantized."""

    runtime: Runtime
    module: nn.Module
    """In evaluation mode, with batch norms folded."""
    examples: Sequence[torch.Tensor]
    plan: Quantization

    def write(self, path: Path, source: Path | None = None) -> None:
        """Write the quantized file. `source` is the exported one. Raises as the runtime does."""
        if source is None:
            source = path.with_name(f"float{self.runtime.suffix}")
            self.runtime.export(self.module, self.examples, source)
        if self.plan.used():
            self.runtime.quantize(source, self.module, self.examples, self.plan, path)
        else:
            source.replace(path)


def precisions_of(workload: Op | Network) -> Mapping[str, str]:
    """The precisions of ops by their paths in the workload's module (`latkit.nn.build_module`), but for fp32."""
    return {path: op.precision for path, op in workload.submodules.items() if op.precision != FP32.name}


def calibration_samples(workload: Op | Network, batch: int) -> list[tuple[torch.Tensor, ...]]:
    """Random normal inputs for the ranges of activations of a workload with generated weights."""
    shapes = workload.input_shapes
    seeds = count(len(shapes))  # other values than those of the examples
    return [tuple(example_input(shape, batch, next(seeds)) for shape in shapes) for _ in range(CALIBRATION_SAMPLES)]


def _check_precisions(runtime: Runtime, workload: Op | Network) -> None:
    for op in workload.ops:
        if op.precision not in runtime.precisions:
            raise ExportError(
                f"expected ops in a precision that {runtime.name} exports ({', '.join(runtime.precisions)}), "
                f"but found {op.title} in {op.precision}"
            )


def check_export(
    artifact: Artifact, module: nn.Module, input_shape: Shape, batch: int = 1, other_inputs: Sequence[Shape] = ()
) -> float:
    """Largest absolute difference between the artifact's output, run on this machine, and the module's in evaluation
    mode, on random inputs of (batch, *shape). Raises ExportError where the shapes differ."""
    examples = [example_input(shape, batch, seed) for seed, shape in enumerate((input_shape, *other_inputs))]
    with torch.no_grad():
        expected = for_inference(module)(*examples)
    found = get_runtime(artifact.runtime).run(artifact.path, *examples)
    if found.shape != expected.shape:
        raise ExportError(
            f"{artifact.path.name}: expected an output of {tuple(expected.shape)}, but found {tuple(found.shape)}"
        )
    return float((found - expected).abs().max())


def _export(runtime: Runtime, module: nn.Module, examples: Sequence[torch.Tensor], path: Path, what: str) -> Artifact:
    def write(temporary: Path) -> None:
        runtime.export(for_inference(module), examples, temporary)

    return write_artifact(runtime, write, path, what)
