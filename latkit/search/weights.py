"""Training of weights: the step that supernet and derived network share, and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from latkit.search.data import DataSplit, ImageSet, Normalise
from latkit.search.settings import SearchSettings

ModuleType = TypeVar("ModuleType", bound=nn.Module)

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A scalar to minimise, from normalised images (N, C, H, W), scores (N, classes) and labels (N,)."""


class WeightTrainer:
    """Stochastic gradient descent with Nesterov momentum on a module's weights.

    Parameters that a step does not reach have no gradient; the optimiser passes over them, so that they see neither
    momentum nor decay.
    """

    def __init__(self, module: nn.Module, settings: SearchSettings, fabric: Fabric, loss: Loss | None = None) -> None:
        """`loss`: cross-entropy with the settings' label smoothing unless given."""
        self.module = module
        self.fabric = fabric
        self.label_smoothing = settings.label_smoothing
        self.loss = loss or self._cross_entropy
        parameters = list(module.parameters())
        # scales, shifts and biases are left alone: decay has no business with them (He et al. 2018, section 3.1)
        groups: list[dict[str, Any]] = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        # lr is set before every step
        self.optimizer = torch.optim.SGD(groups, lr=0.0, momentum=settings.momentum, nesterov=settings.momentum > 0)

    def step(self, images: Tensor, labels: Tensor, learning_rate: float, *state: Any) -> tuple[Tensor, Tensor]:
        """One step on a batch; `state` goes to the module after the images. Gives loss and class scores, detached."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        with self.fabric.autocast():
            scores = self.module(images, *state)
            loss = self.loss(images, scores, labels)
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self.optimizer.step()
        return loss.detach(), scores.detach()

    def _cross_entropy(self, _images: Tensor, scores: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(scores, labels, label_smoothing=self.label_smoothing)

    def state(self) -> dict[str, Any]:
        """Weights and optimiser."""
        return {"module": self.module.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])


def evaluate(module: nn.Module, data: DataSplit, images: ImageSet, fabric: Fabric, batch_size: int = 256) -> float:
    """Share of images classified rightly, 0 to 1, with running batch norm statistics. Leaves the mode as it was."""
    normalise = Normalise(data, fabric.device)
    was_training = module.training
    module.eval()
    right = 0
    with torch.inference_mode(), fabric.autocast():
        for indices in torch.split(torch.arange(len(images.labels)), batch_size):
            scores = module(normalise(images.fetch(indices).to(fabric.device)))
            right += int((scores.argmax(1).cpu() == images.labels[indices]).sum())
    module.train(was_training)
    return right / len(images.labels)


def device_module(module: ModuleType, fabric: Fabric) -> ModuleType:
    """The module on Fabric's device, in training mode, its convolutions' weights channels last as the images are."""
    module.to(fabric.device)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs know it of tensors only
    return module.train()
