"""Short quantization-aware training of a policy: the straight-through estimator, in the training loop of searches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from latkit.progress import Progress
from latkit.search.data import DataSplit
from latkit.search.gradient.settings import SearchSettings
from latkit.search.quantization.records import QuantizeSettings
from latkit.search.quantization.simulation import SimulatedNetwork
from latkit.search.records.checkpoint import load_checkpoint, save_checkpoint
from latkit.search.training.runtime_env import fabric_of, threads
from latkit.search.training.trained_network import TrainedNetwork
from latkit.search.training.trainer import Checkpointer, run_phase
from latkit.search.training.training_phase import TrainingPhase

CHECKPOINT_S = 60.0
"""Seconds between checkpoints; one is also written after every epoch."""


@dataclass(frozen=True, slots=True)
class Finetuning:
    """The settings of a training, and where it is saved."""

    settings: QuantizeSettings
    checkpoint: Path
    progress: Progress


def finetune(simulated: SimulatedNetwork, data: DataSplit, teacher: TrainedNetwork, training: Finetuning) -> None:
    """Train the weights in the precisions that are set, with the network before quantization as the teacher.

    Goes on from the checkpoint where it exists, also after the last step. Raises BadFile for a damaged checkpoint.
    """
    settings, path = training.settings, training.checkpoint
    if settings.epochs == 0:
        return
    chosen = SearchSettings.make(
        task=teacher.task,
        seed=settings.seed,
        training_epochs=settings.epochs,
        training_learning_rate=settings.learning_rate,
        label_smoothing=0.0,
        evaluation_epochs=0,
        accelerator="cpu",
        threads=1,
    )
    fabric = fabric_of(chosen)
    phase, start = TrainingPhase(simulated.train(), data, chosen, fabric, teacher), 0
    if path.exists():
        saved = load_checkpoint(path)
        start = int(saved["step"])
        phase.load_state(saved["phase"])

    def save(step: int) -> None:
        save_checkpoint(path, {"step": step, "phase": phase.state()})

    with threads(chosen.threads):
        run_phase(phase, start, Checkpointer(save, CHECKPOINT_S, fabric), training.progress, lambda _row: None)
    simulated.eval()
