"""Short training of a network that has weights already."""

from __future__ import annotations

from torch import nn

from latkit.progress import Progress
from latkit.search.data import DataSplit
from latkit.search.gradient.settings import SearchSettings
from latkit.search.training.runtime_env import fabric_of, threads
from latkit.search.training.trained_network import TrainedNetwork
from latkit.search.training.trainer import Checkpointer, run_phase
from latkit.search.training.training_phase import TrainingPhase


def finetune(
    module: nn.Module,
    data: DataSplit,
    settings: SearchSettings,
    progress: Progress,
    teacher: TrainedNetwork | None = None,
) -> nn.Module:
    """Train a module for `settings.training_epochs`; the same module, in evaluation mode. There is no checkpoint.

    Raises LatkitError where a loss is not finite.
    """
    fabric = fabric_of(settings)
    phase = TrainingPhase(module.to(fabric.device).train(), data, settings, fabric, teacher)
    with threads(settings.threads):
        run_phase(phase, 0, Checkpointer(lambda _step: None, float("inf"), fabric), progress, lambda _row: None)
    return phase.finish().eval()
