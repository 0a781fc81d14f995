"""Policies of a trained network under a bound, judged, trained shortly and exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from latkit.artifacts.quantized import calibration_batches, export_quantized, precisions_of
from latkit.progress import Progress
from latkit.runtimes.base import Runtime
from latkit.runtimes.quantization import Quantization
from latkit.search.data import DataSplit, Normalize
from latkit.search.goals import Goals
from latkit.search.history import Entry
from latkit.search.loop import Budget, LoopOptions, search
from latkit.search.quantization.evaluator import BATCH, JudgedImages, QuantizedEvaluator
from latkit.search.quantization.exact import best_policy
from latkit.search.quantization.finetune import Finetuning, finetune
from latkit.search.quantization.haq import HaqPolicy, HaqSettings
from latkit.search.quantization.problem import PolicyProblem
from latkit.search.quantization.records import EPISODES_FILE, QuantizeSettings
from latkit.search.quantization.simulation import SimulatedNetwork
from latkit.search.training.trained_network import TrainedNetwork
from latkit.spaces import Architecture
from latkit.spaces.precisions import common_precisions, policy_names, uniform_policy


@dataclass
class Quantizer:
    """A trained network, the images that it is judged by, and the settings."""

    trained: TrainedNetwork
    data: DataSplit
    settings: QuantizeSettings
    progress: Progress
    images: JudgedImages = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self.images = JudgedImages.of(self.data, settings.calibration_images, settings.judged_images, settings.seed)

    def simulated(self) -> SimulatedNetwork:
        """The network with its trained weights, calibrated."""
        found = SimulatedNetwork(self.trained.network, self.trained.layers)
        found.calibrate(self.images.calibration)
        return found

    def policies(
        self, problem: PolicyProblem, folder: Path
    ) -> tuple[Mapping[str, Architecture], Mapping[str, float], list[list[float]]]:
        """Policies that meet the bound, the judged accuracy of each, and the divergence of every op and precision.

        The exact policy, HAQ's, the cheapest, and the uniform ones. HAQ's episodes are saved in the folder, and resumed
        from there.
        """
        evaluator = QuantizedEvaluator(problem.space, self.simulated(), self.images)
        divergences = evaluator.sensitivities()
        exact = best_policy(problem, [[-value for value in row] for row in divergences])
        settings = HaqSettings(self.settings.episodes, original=evaluator.original_accuracy)
        strategy = HaqPolicy(problem, Goals.parse("accuracy:max"), self.settings.seed, settings)
        shown = LoopOptions(folder / EPISODES_FILE, on_entry=self._show)
        best = search(strategy, evaluator, Budget(), shown).best
        policies = {"exact": exact} | ({"haq": best.architecture} if best else {}) | {"fastest": problem.cheapest}
        uniform = {name: uniform_policy(problem.space, name) for name in common_precisions(problem.space)}
        policies |= {name: policy for name, policy in uniform.items() if problem.meets(policy)}
        judged = dict(zip(policies, evaluator.judge(list(policies.values())), strict=True))
        return policies, {name: one.quantities["accuracy"] for name, one in judged.items()}, divergences

    def _show(self, entry: Entry) -> None:
        self.progress.advance("episodes", entry.number + 1, self.settings.episodes)

    def winner(self, problem: PolicyProblem, policies: Mapping[str, Architecture], judged: Mapping[str, float]) -> str:
        """The cheapest of the policies whose judged accuracy is within the tolerance of the best; of equal ones the
        first."""
        least = max(judged.values()) - self.settings.tolerance
        return min((name for name in judged if judged[name] >= least), key=lambda name: problem.cost(policies[name]))

    def train(self, problem: PolicyProblem, policy: Architecture, checkpoint: Path) -> SimulatedNetwork:
        """The network in a policy's precisions, after quantization-aware training; goes on from the checkpoint."""
        simulated = self.simulated()
        simulated.set_policy(policy_names(problem.space, policy))
        finetune(simulated, self.data, self.trained, Finetuning(self.settings, checkpoint, self.progress))
        simulated.calibrate(self.images.calibration)
        return simulated

    def export(
        self, simulated: SimulatedNetwork, problem: PolicyProblem, policy: Architecture, runtime: Runtime, path: Path
    ) -> None:
        """Write the file of a policy, which takes normalized images."""
        network = problem.space.decode(policy)
        plan = Quantization(precisions_of(network), calibration_batches(self.images.calibration))
        export_quantized(runtime, simulated.plain(), network.input_shape, plan, path)

    def test_images(self) -> tuple[Tensor, Tensor]:
        """Normalized test images (N, C, H, W) and their labels."""
        count = min(len(self.data.test.labels), self.settings.test_images)
        indices = torch.arange(count)
        return Normalize(self.data, torch.device("cpu"))(self.data.test.fetch(indices)), self.data.test.labels[indices]

    def file_accuracy(self, runtime: Runtime, path: Path) -> float:
        """Accuracy on the test images, by running the file on this machine image by image."""
        images, labels = self.test_images()
        run = runtime.load(path)
        pairs = zip(images, labels.tolist(), strict=True)
        right: int = sum(int(run(image[None].contiguous()).argmax()) == label for image, label in pairs)
        return right / len(labels)

    def simulated_accuracy(self, simulated: SimulatedNetwork) -> float:
        """The same by simulation."""
        images, labels = self.test_images()
        with torch.inference_mode():
            outputs = torch.cat([simulated(batch) for batch in torch.split(images, BATCH)])
        return float((outputs.argmax(1) == labels).double().mean())
