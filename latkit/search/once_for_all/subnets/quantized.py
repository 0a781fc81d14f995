"""A sub-network's file in the precision of its target, and the score of this file."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from latkit.artifacts.quantized import calibration_batches, export_quantized, precisions_of
from latkit.errors import MissingExtra
from latkit.ops import Network
from latkit.runtimes import get_runtime
from latkit.runtimes.quantization import Quantization
from latkit.search.data import Normalize
from latkit.search.once_for_all.judging import SubnetJudge
from latkit.search.records.result import ExportFacts, exported_file
from latkit.search.tasks import TASKS
from latkit.search.training.exports import CALIBRATION_IMAGES, compare, test_images
from latkit.spaces.base import Architecture
from latkit.targets import Target


@dataclass(frozen=True, slots=True)
class QuantizedFile:
    """What was written, and how well it does."""

    what: str
    """Its key among the exports."""
    facts: ExportFacts
    """Beside the fp32 module. How far its scores may be off is for the test score to tell."""
    test: float


def needs_quantizing(target: Target) -> bool:
    """Whether the target runs files of another precision than the module's own."""
    runtime = get_runtime(target.runtime)
    return target.precision != runtime.precisions[0] and runtime.in_results


def write_quantized(
    judge: SubnetJudge, architecture: Architecture, network: Network, module: nn.Module, folder: Path, target: Target
) -> tuple[QuantizedFile | None, tuple[str, ...]]:
    """Quantize a module for a target, by ranges of training images, and run the file on the test images.

    Nothing for a target of the module's own precision. A note says why a file is missing. Raises ExportError.
    """
    if not needs_quantizing(target):
        return None, ()
    runtime = get_runtime(target.runtime)
    what = f"quantized-{runtime.suffix.removeprefix('.')}"
    data, path = judge.images(architecture)[0], folder / exported_file(what)
    indices = torch.arange(min(len(data.train.labels), CALIBRATION_IMAGES))
    calibration = calibration_batches(Normalize(data, torch.device("cpu"))(data.train.fetch(indices).cpu()))
    plan = Quantization(precisions_of(network.in_precision(target.precision)), calibration)
    try:
        export_quantized(runtime, module, network.input_shape, plan, path)
        facts = compare(runtime, path, module, test_images(data), TASKS.get(judge.settings.task), math.inf)
        test = judge.score(_FileModule(runtime.load(path)), architecture, "test")
    except MissingExtra as error:
        return None, (f"{path.name} was not written, and scores are those of fp32 weights: {error}",)
    return QuantizedFile(what, facts, test), ()


class _FileModule(nn.Module):
    """A file that its runtime runs on this machine, image by image."""

    def __init__(self, run: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.run = run

    def forward(self, images: Tensor) -> Tensor:
        """Scores (N, classes) of images (N, C, H, W)."""
        return torch.cat([self.run(image.contiguous()) for image in torch.split(images.cpu(), 1)]).to(images.device)
