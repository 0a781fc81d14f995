"""The verb `train_supernet`: the weights of an elastic space, trained by a curriculum."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latkit.layout import Folders
from latkit.progress import Callbacks
from latkit.search import DataSplit, load_data
from latkit.search.curricula import CURRICULA, default_curriculum
from latkit.search.once_for_all.records import SUPERNET_FILES, SupernetResult
from latkit.search.once_for_all.settings import SupernetSettings
from latkit.search.once_for_all.training.problem import SupernetProblem
from latkit.search.once_for_all.training.run import train_supernet as train
from latkit.workspace.requests.supernet import TrainSupernetRequest


@dataclass(frozen=True, slots=True)
class SupernetRun:
    """A trained supernet and its folder."""

    result: SupernetResult
    folder: Path

    def document(self) -> dict[str, Any]:
        """The figures that the command line prints. Scores are on the test images."""
        result, metric = self.result, self.result.metric.name
        return {
            "name": result.name,
            "space": result.space,
            "curriculum": result.curriculum,
            f"smallest_{metric}": result.smallest.test,
            f"largest_{metric}": result.largest.test,
            f"random_{metric}_mean": result.random_mean,
            "random_subnets": len(result.random),
            "seconds": result.seconds,
            "files": {what: str(self.folder / name) for what, name in SUPERNET_FILES.items()},
        }


def train_supernet(
    folders: Folders, request: TrainSupernetRequest, callbacks: Callbacks, data: DataSplit | None = None
) -> SupernetRun:
    """Train what a request names. `data`: images in memory, instead of the request's.

    torchrun's processes train together. Raises as `latkit.search.once_for_all.training.run.train_supernet` does.
    """
    folder, space = folders.search_dir(request.name), request.space
    if request.curriculum:
        CURRICULA.get(request.curriculum)  # an unknown one is named before images are read
    images = data or load_data(request.data, space.input_shape[-1], space.input_shape[0])
    problem = supernet_problem(request, images)
    return SupernetRun(train(problem, folder, callbacks.progress, request.resume), folder)


def supernet_problem(request: TrainSupernetRequest, images: DataSplit) -> SupernetProblem:
    """With the defaults of what the request leaves open: the curriculum, and the epochs that suit it."""
    if request.quick:
        settings = SupernetSettings.quick(**request.settings)
    else:
        settings = SupernetSettings.for_images(len(images.train.labels), **request.settings)
    curriculum = request.curriculum or default_curriculum(request.space, settings.epochs)
    if not request.quick and "epochs" not in request.settings:
        epochs = settings.epochs * CURRICULA.get(curriculum).default_epochs_factor
        settings = settings.model_copy(update={"epochs": epochs})
    return SupernetProblem(request.space, images, settings, curriculum)
