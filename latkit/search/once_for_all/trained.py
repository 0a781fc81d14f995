"""A trained supernet, read from its folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from latkit._io import one_line, reading
from latkit.errors import BadFile, UsageError
from latkit.search.data import DataSplit, load_data
from latkit.search.once_for_all.judging import SubnetJudge
from latkit.search.once_for_all.records import SUPERNET_FILES, SupernetRecipe, SupernetResult
from latkit.search.once_for_all.training.nets import build_net
from latkit.search.once_for_all.training.problem import split_validation
from latkit.search.records.base import load_record
from latkit.search.supernet.elastic.base import ElasticNet
from latkit.search.training.runtime_env import fabric_of
from latkit.search.training.trained_network import load_weights
from latkit.spaces import Space, load_saved


@dataclass(frozen=True)
class TrainedSupernet:
    """The weights, and what judges sub-networks with them: `judge.module(architecture)` is a plain module."""

    space: Space
    recipe: SupernetRecipe
    result: SupernetResult
    net: ElasticNet
    judge: SubnetJudge


def load_supernet(folder: Path, data: DataSplit | None = None) -> TrainedSupernet:
    """Read a trained supernet. `data`: its images, instead of those at the place that its recipe names.

    Raises BadFile, UsageError for a supernet that is not trained, and for images of other classes.
    """
    files = {what: folder / name for what, name in SUPERNET_FILES.items()}
    recipe, space = read_supernet_recipe(folder)
    result = load_record(SupernetResult, files["result"])
    settings = recipe.settings.model_copy(update={"accelerator": "auto"})
    fabric = fabric_of(settings)
    net = _with_weights(build_net(space), files["weights"], result).to(fabric.device)
    images = data or load_data(recipe.data.source, space.input_shape[-1], space.input_shape[0])
    check_same_data(images, recipe)
    parts = split_validation(images, settings.validation_share, settings.seed)
    return TrainedSupernet(space, recipe, result, net, SubnetJudge(net, parts, settings, fabric))


def read_supernet_recipe(folder: Path) -> tuple[SupernetRecipe, Space]:
    """The recipe and the space of a trained supernet. Raises BadFile, UsageError for one that is not trained."""
    files = {what: folder / name for what, name in SUPERNET_FILES.items()}
    if not files["recipe"].exists():
        raise UsageError(
            f"{folder}: expected a trained supernet, but found none; train one with: latkit train-supernet --space "
            f"SPACE --data DATA -o {folder.name}"
        )
    if not files["result"].exists():
        raise UsageError(
            f"{folder}: expected a trained supernet, but its training is not finished; finish it with: latkit "
            "train-supernet ... --resume"
        )
    recipe, space = load_record(SupernetRecipe, files["recipe"]), load_saved(files["space"])
    if space.key != recipe.space_key:
        raise BadFile(files["space"], f"the space {recipe.space}", f"another space, {space.name}")
    return recipe, space


def check_space(trained: TrainedSupernet, space: Space) -> None:
    """Raise UsageError where a supernet was trained for another space."""
    if space.key != trained.space.key:
        raise UsageError(
            f"expected a supernet of space {space.name}, but found one of {trained.space.name} with other options; "
            "train one for this space"
        )


def check_same_data(data: DataSplit, recipe: SupernetRecipe) -> None:
    """Raise UsageError unless the images are those that the supernet was trained on."""
    check_same_classes(data, recipe)
    expected = recipe.data
    if data.sha256 != expected.sha256:
        raise UsageError(
            f"expected the images that the supernet was trained on (sha256 {expected.sha256[:12]}), but data "
            f"{data.name} has others ({data.sha256[:12]}): its validation images would not be unseen"
        )


def check_same_classes(data: DataSplit, recipe: SupernetRecipe) -> None:
    """Raise UsageError unless the images are of the classes that the supernet was trained on."""
    expected = recipe.data.class_names
    if data.class_names != expected:
        raise UsageError(
            f"expected the {len(expected)} classes that the supernet was trained on ({_listed(expected)}), but data "
            f"{data.name} has {data.classes} ({_listed(data.class_names)})"
        )


def _listed(names: tuple[str, ...]) -> str:
    return one_line(", ".join(names), 60)


def _with_weights(net: ElasticNet, path: Path, result: SupernetResult) -> ElasticNet:
    weights, expected = load_weights(path), f"the weights of a supernet of space {net.space.name}"
    with reading(path, expected):
        if hashlib.sha256(path.read_bytes()).hexdigest() != result.weights_sha256:
            raise BadFile(path, f"{expected}, as its training wrote them", "another file")
        try:
            net.load_state_dict(weights)
        except RuntimeError as error:
            raise BadFile(path, expected, one_line(str(error), 200)) from error
    with torch.no_grad():
        return net.requires_grad_(False)
