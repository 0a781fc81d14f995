"""Training of weights: the step shared by supernet and derived network, and evaluation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from latkit.search.data import DataSplit, ImageSet, Normalize, fetch_by_threads
from latkit.search.supernet.blocks import recomputed
from latkit.search.supernet.bn_calibration import average_statistics
from latkit.search.supernet.supernet import Supernet
from latkit.search.supernet.sync_norm import synchronize
from latkit.search.tasks import TASKS
from latkit.search.training.distributed import average_gradients, total
from latkit.search.training.settings import TrainingSettings

if TYPE_CHECKING:
    from lightning_fabric import Fabric

ModuleType = TypeVar("ModuleType", bound=nn.Module)

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A scalar to minimize, from normalized images (N, C, H, W), outputs and targets."""


class PathSGD(torch.optim.SGD):
    """torch's gradient descent with Nesterov momentum, on the parameters of one path at a time.

    The state dict covers all parameters, including those not stepped yet.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], momentum: float, weight_decay: float) -> None:
        decayed, others = _by_decay(parameters)
        groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
        super().__init__(groups, lr=0.0, momentum=momentum, nesterov=momentum > 0)

    def step_on(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> None:
        """Step only these parameters, and drop their gradients, so that no memory is held until the next step."""
        stepped = _by_decay(parameters)
        all_members = [group["params"] for group in self.param_groups]
        for group, members in zip(self.param_groups, stepped, strict=True):
            group.update(params=members, lr=learning_rate)
        try:
            self.step()
        finally:
            for group, members in zip(self.param_groups, all_members, strict=True):
                group["params"] = members
        for parameter in (*stepped[0], *stepped[1]):
            parameter.grad = None


def _by_decay(parameters: Iterable[nn.Parameter]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Parameters with decay, and those without: scales, shifts and biases, which decay harms (He et al. 2018, section
    3.1)."""
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in parameters:
        (decayed if parameter.ndim > 1 else others).append(parameter)
    return decayed, others


class WeightTrainer:
    """Stochastic gradient descent with Nesterov momentum on a module's weights.

    Parameters that a step does not reach have no gradient and are skipped: no momentum or decay applies to them.
    """

    def __init__(self, module: nn.Module, settings: TrainingSettings, fabric: Fabric, loss: Loss | None = None) -> None:
        """`loss`: that of the task, with the settings' label smoothing, unless given."""
        self.synchronized = fabric.world_size == 1 or settings.sync_batch_norm
        if fabric.world_size > 1 and settings.sync_batch_norm:
            synchronize(module, fabric)
        self.module = module
        self.fabric = fabric
        self.task, self.label_smoothing = TASKS.get(settings.task), settings.label_smoothing
        self.loss = loss or self._task_loss
        self.checkpointing = settings.checkpointing
        self.parameters = list(module.parameters())
        self.optimizer = PathSGD(self.parameters, settings.momentum, settings.weight_decay)

    def step(self, images: Tensor, targets: Tensor, learning_rate: float, *state: Any) -> tuple[Tensor, Tensor]:
        """One step on a batch; `state` is passed to the module after the images. Gives loss and outputs, detached."""
        loss, outputs = self.accumulate(images, targets, self.loss, *state)
        reached = self.module.parameters_of(*state) if isinstance(self.module, Supernet) else self.parameters
        self.update(reached, learning_rate)
        return loss, outputs

    def accumulate(self, images: Tensor, targets: Tensor, loss_of: Loss, *state: Any) -> tuple[Tensor, Tensor]:
        """Add the gradients of a loss on a batch to those of the weights. Gives loss and outputs, detached."""
        with self.fabric.autocast():
            outputs = self._outputs(images, *state)
            loss = loss_of(images, outputs, targets)
        self.fabric.backward(loss)
        return loss.detach(), outputs.detach()

    def update(self, reached: Sequence[nn.Parameter], learning_rate: float) -> None:
        """Step these weights by their gradients, averaged over the processes."""
        average_gradients(reached, self.fabric)
        self.optimizer.step_on(reached, learning_rate)

    def _outputs(self, images: Tensor, *state: Any) -> Tensor:
        if self.checkpointing and isinstance(self.module, nn.Sequential):  # a supernet handles it itself
            return functools.reduce(lambda features, block: recomputed(block, features), self.module, images)
        outputs: Tensor = self.module(images, *state)
        return outputs

    def _task_loss(self, _images: Tensor, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.task.loss(outputs, targets, self.label_smoothing)

    def state(self) -> dict[str, Any]:
        """Weights and optimizer, identical in every process: running statistics that were not synchronized are
        averaged."""
        if not self.synchronized:
            average_statistics(self.module, self.fabric)
        return {"module": self.module.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])


def evaluate(module: nn.Module, data: DataSplit, images: ImageSet, fabric: Fabric, settings: TrainingSettings) -> float:
    """The task's metric; as `metric_and_loss`."""
    return _evaluated(module, data, images, fabric, settings)[0]


def metric_and_loss(
    module: nn.Module, data: DataSplit, images: ImageSet, fabric: Fabric, settings: TrainingSettings
) -> tuple[float, float]:
    """The task's metric and mean loss on a set of images, with running batch norm statistics. The mode is restored.

    Several processes share the work, batch by batch, and all get the result. Raises BadFile.
    """
    losses = torch.zeros((), device=fabric.device)
    value, count = _evaluated(module, data, images, fabric, settings, losses)
    return value, float(total(losses, fabric)) / count


def _evaluated(
    module: nn.Module,
    data: DataSplit,
    images: ImageSet,
    fabric: Fabric,
    settings: TrainingSettings,
    losses: Tensor | None = None,
) -> tuple[float, int]:
    """The metric, and the number of images; the losses of this process's images are added to `losses`."""
    normalize = Normalize(data, fabric.device)
    was_training = module.training
    module.eval()
    task = TASKS.get(settings.task)
    counts = torch.zeros(task.metric.shape, dtype=torch.int64, device=fabric.device)
    batches = torch.split(torch.arange(len(images.labels)), settings.evaluation_batch_size)
    with torch.inference_mode(), fabric.autocast():
        for indices in batches[fabric.global_rank :: fabric.world_size]:
            pixels = fetch_by_threads(images, indices, settings.workers)
            outputs = module(normalize(pixels.to(fabric.device)))
            targets = task.targets(images.labels[indices].to(fabric.device))
            counts += task.metric.counts(outputs, targets)  # asynchronous
            if losses is not None:
                losses += task.loss(outputs.float(), targets) * len(indices)
    module.train(was_training)
    count = len(images.labels)
    return task.metric.value(total(counts, fabric).cpu(), count), count


def device_module(module: ModuleType, fabric: Fabric) -> ModuleType:
    """The module on Fabric's device, in training mode, its convolutions' weights channels last as the images are."""
    module.to(fabric.device)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs know it of tensors only
    return module.train()
