"""The trained network as files for runtimes, each compared with the torch module on test images."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from latkit.artifacts.export import export_module
from latkit.artifacts.quantized import calibration_batches, export_quantized, precisions_of
from latkit.errors import ExportError, MissingExtra
from latkit.ops import Network
from latkit.runtimes import list_runtimes
from latkit.runtimes.base import Runtime
from latkit.runtimes.quantization import Quantization
from latkit.search.data import DataSplit, Normalize
from latkit.search.gradient.settings import SearchSettings
from latkit.search.records.result import ExportFacts, exported_file
from latkit.search.supernet.low_precision import without_rounding
from latkit.search.tasks import TASKS, Task

IMAGES = 64
"""Maximum number of test images that are compared, evenly spaced."""

CALIBRATION_IMAGES = 256
"""Training images on which the ranges of a quantized file are found."""

QUANTIZED_TOLERANCE = 0.5
"""The same for a file of several precisions, whose ranges are those of the calibration."""

TOLERANCE = 1e-3
"""Largest score difference that rounding may explain, relative to the largest score. An export error is far above it,
float32 kernels with another order of summation about a hundred times below."""


def export_runtimes() -> dict[str, Runtime]:
    """The runtimes that a search writes its network for, by the names of their files in a result."""
    found: dict[str, Runtime] = {}
    for runtime in list_runtimes():
        if runtime.in_results:
            found.setdefault(runtime.suffix.removeprefix("."), runtime)
    return found


def export(
    folder: Path, network: Network, module: nn.Module, data: DataSplit, settings: SearchSettings
) -> tuple[dict[str, ExportFacts], tuple[str, ...]]:
    """Write and compare every file that can be written here; notes name the others.

    `module` is on the CPU, in evaluation mode. Raises ExportError for a file that cannot be written or that computes
    something else; such a file is removed.
    """
    images = test_images(data)
    facts: dict[str, ExportFacts] = {}
    notes: tuple[str, ...] = ()
    for what, runtime in export_runtimes().items():
        setting, path = runtime.export_setting, folder / exported_file(what)
        if setting and not getattr(settings, setting):
            continue
        try:
            _write(runtime, network, module, data, path)
            tolerance = QUANTIZED_TOLERANCE if precisions_of(network) else TOLERANCE
            facts[what] = compare(runtime, path, module, images, TASKS.get(settings.task), tolerance)
        except MissingExtra as error:
            path.unlink(missing_ok=True)
            if not setting or setting in settings.model_fields_set:  # else the file was not requested
                notes = (*notes, f"{path.name} was not written: {error}")
        else:
            runtime.embed_network(path, network)
    return facts, notes


def _write(runtime: Runtime, network: Network, module: nn.Module, data: DataSplit, path: Path) -> None:
    """The file, each op in its precision; ranges are those of training images."""
    precisions = precisions_of(network)
    if not precisions:
        export_module(runtime, module, network.input_shape, path)
        return
    indices = torch.arange(min(len(data.train.labels), CALIBRATION_IMAGES))
    calibration = Normalize(data, torch.device("cpu"))(data.train.fetch(indices).cpu())
    plan = Quantization(precisions, calibration_batches(calibration))
    export_quantized(runtime, without_rounding(module), network.input_shape, plan, path)


def compare(
    runtime: Runtime, path: Path, module: nn.Module, images: Tensor, task: Task, tolerance: float = TOLERANCE
) -> ExportFacts:
    """Compare scores of the file with those of the module, for normalized images (N, C, H, W), one at a time.

    Raises ExportError where they differ by more than rounding, and removes the file.
    """
    with torch.inference_mode():
        expected = torch.cat([module(image) for image in torch.split(images, 1)])
    run = runtime.load(path)
    found = torch.cat([run(image.contiguous()) for image in torch.split(images, 1)])
    largest = float((found - expected).abs().max()) if found.shape == expected.shape else float("nan")
    allowed = tolerance * float(expected.abs().max())
    if not largest <= allowed:
        path.unlink()
        raise ExportError(
            f"{path.name}: expected the torch module's scores to within {allowed:.3g}, but found a difference of "
            f"{largest:.3g} on {len(images)} images; the file was removed. The weights are kept: please report this, "
            f"with the releases of {runtime.exporter}"
        )
    return ExportFacts(largest_difference=largest, agreement=task.agreement(found, expected), images=len(images))


def test_images(data: DataSplit) -> Tensor:
    """Images of the test set as the network gets them, (N, C, H, W)."""
    count = len(data.test.labels)
    indices = torch.linspace(0, count - 1, min(IMAGES, count)).round().long()
    return Normalize(data, torch.device("cpu"))(data.test.fetch(indices).cpu())
