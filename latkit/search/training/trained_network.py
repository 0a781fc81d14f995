"""The network that a search found, ready for use: its trained weights, and its normalization."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from latkit._io import atomic_write, one_line, reading
from latkit.errors import BadFile, UsageError
from latkit.nn import build_module
from latkit.ops import Network
from latkit.search.records.base import load_record
from latkit.search.records.result import FILES, Recipe, TeacherFacts
from latkit.search.tasks import DEFAULT_TASK, TASKS


class TrainedNetwork(nn.Module):
    """Outputs of the task, such as class scores (N, classes), from raw images: (N, C, H, W), uint8, or 0 to 255.

    Always in evaluation mode, its weights without gradients. The images are normalized inside: `(image / 255 - mean) /
    std`, per channel. Raises UsageError where weights or classes do not fit the network.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: Network,
        weights: Mapping[str, Tensor],
        mean: Sequence[float],
        std: Sequence[float],
        class_names: Sequence[str],
        task: str = DEFAULT_TASK,
    ) -> None:
        super().__init__()
        self.network = network
        self.class_names, self.task = tuple(class_names), task
        self.layers = build_module(network)
        try:
            self.layers.load_state_dict(dict(weights))
        except RuntimeError as error:
            raise UsageError(f"expected weights of {network.title}, but found others: {error}") from error
        if network.output_shape != TASKS.get(task).output_shape(network.input_shape, len(self.class_names)):
            raise UsageError(f"expected {network.output_shape[0]} class names, but found {len(self.class_names)}")
        shape = (1, network.input_shape[0], 1, 1)
        self.register_buffer("mean", torch.tensor(mean).view(shape) * 255)
        self.register_buffer("std", torch.tensor(std).view(shape) * 255)
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> Tensor:
        """Normalize, and compute the outputs."""
        scores: Tensor = self.layers((images - self.mean) / self.std)
        return scores

    def train(self, mode: bool = True) -> TrainedNetwork:  # noqa: ARG002
        """Always stays in evaluation mode, also as part of another module."""
        super().train(False)
        return self

    @property
    def facts(self) -> TeacherFacts:
        """The facts that a recipe records if another network learns from this one."""
        return TeacherFacts(network_key=self.network.key, weights_sha256=self._hash())

    def _hash(self) -> str:
        """Of the weights' and statistics' names and values."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.layers.state_dict().items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def load_network(folder: Path) -> TrainedNetwork:
    """The trained network of a finished search's folder, on the CPU. Raises BadFile.

    Reads the folder's recipe, architecture and weights only.
    """
    for what in ("recipe", "architecture", "weights"):
        if not (folder / FILES[what]).exists():
            raise BadFile(folder, "the folder of a finished search", f"no {FILES[what]} there")
    recipe = load_record(Recipe, folder / FILES["recipe"])
    network = Network.load(folder / FILES["architecture"])
    path = folder / FILES["weights"]
    weights, expected = load_weights(path), f"the weights of {FILES['architecture']}"
    if network.parameter_bytes > path.stat().st_size:  # prevents building a network of any declared size
        raise BadFile(path, expected, f"fewer than its {network.parameters} parameters")
    with reading(path, expected):
        try:
            data = recipe.data
            return TrainedNetwork(network, weights, data.mean, data.std, data.class_names, recipe.settings.task)
        except UsageError as error:
            raise BadFile(path, expected, one_line(str(error))) from error


def save_weights(weights: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors by name as safetensors, atomically."""
    with atomic_write(path) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, temporary)


def load_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a finished search's network by name. Raises BadFile."""
    expected = "the weights of a finished search"
    with reading(path, expected):
        if path.exists() and not path.is_file():
            raise BadFile(path, expected, "something that is no regular file")
        return load_file(path)
