"""Short quantization-aware training of a policy: the straight-through estimator, in the training loop of searches."""

from __future__ import annotations

from latkit.progress import Progress
from latkit.search.data import DataSplit
from latkit.search.gradient.settings import SearchSettings
from latkit.search.quantization.records import QuantizeSettings
from latkit.search.quantization.simulation import SimulatedNetwork
from latkit.search.training.runtime_env import fabric_of, threads
from latkit.search.training.trained_network import TrainedNetwork
from latkit.search.training.trainer import Checkpointer, run_phase
from latkit.search.training.training_phase import TrainingPhase


def finetune(
    simulated: SimulatedNetwork,
    data: DataSplit,
    teacher: TrainedNetwork,
    settings: QuantizeSettings,
    progress: Progress,
) -> None:
    """Train the weights in the precisions that are set, with the network before quantization as the teacher."""
    if settings.epochs == 0:
        return
    training = SearchSettings.make(
        seed=settings.seed,
        training_epochs=settings.epochs,
        training_learning_rate=settings.learning_rate,
        label_smoothing=0.0,
        evaluation_epochs=0,
        accelerator="cpu",
        threads=1,
    )
    fabric = fabric_of(training)
    phase = TrainingPhase(simulated.train(), data, training, fabric, teacher)
    with threads(training.threads):
        run_phase(phase, 0, Checkpointer(lambda _step: None, float("inf"), fabric), progress, lambda _row: None)
    simulated.eval()
