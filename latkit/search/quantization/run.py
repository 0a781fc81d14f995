"""Policies of a trained network under a bound, judged, trained shortly and exported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from latkit.artifacts.quantized import calibration_batches, export_quantized, precisions_of
from latkit.progress import Progress
from latkit.runtimes.base import Runtime
from latkit.runtimes.quantization import Quantization
from latkit.search.data import DataSplit, Normalize
from latkit.search.goals import Goal, Goals
from latkit.search.history import Entry
from latkit.search.loop import Budget, LoopOptions, search
from latkit.search.quantization.evaluator import BATCH, JudgedImages, QuantizedEvaluator
from latkit.search.quantization.exact import best_policy
from latkit.search.quantization.finetune import Finetuning, finetune
from latkit.search.quantization.haq.policy import HaqPolicy, HaqSettings
from latkit.search.quantization.problem import PolicyProblem
from latkit.search.quantization.records import EPISODES_FILE, QuantizeSettings
from latkit.search.quantization.simulation import SimulatedNetwork
from latkit.search.tasks import TASKS, Task
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

    @property
    def task(self) -> Task:
        """What the network was trained for."""
        return TASKS.get(self.trained.task)

    def simulated(self) -> SimulatedNetwork:
        """The network with its trained weights, calibrated."""
        found = SimulatedNetwork(self.trained.network, self.trained.layers)
        found.calibrate(self.images.calibration)
        return found

    def policies(
        self, problem: PolicyProblem, folder: Path
    ) -> tuple[Mapping[str, Architecture], Mapping[str, float], list[list[float]]]:
        """Policies that meet the bound, the judged score of each, and the divergence of every op and precision.

        The exact policy, HAQ's, the cheapest, and the uniform ones. HAQ's episodes are saved in the folder, and resumed
        from there.
        """
        evaluator = QuantizedEvaluator(problem.space, self.simulated(), self.images, self.task)
        divergences = evaluator.sensitivities()
        exact = best_policy(problem, [[-value for value in row] for row in divergences])
        metric = self.task.metric
        original = metric.rank(evaluator.original_score)
        settings = HaqSettings(self.settings.episodes, original=original, scale=metric.scale)
        strategy = HaqPolicy(
            problem, Goals((Goal(metric.name, metric.larger_is_better),)), self.settings.seed, settings
        )
        shown = LoopOptions(folder / EPISODES_FILE, on_entry=self._show)
        best = search(strategy, evaluator, Budget(), shown).best
        policies = {"exact": exact} | ({"haq": best.architecture} if best else {}) | {"fastest": problem.cheapest}
        uniform = {name: uniform_policy(problem.space, name) for name in common_precisions(problem.space)}
        policies |= {name: policy for name, policy in uniform.items() if problem.meets(policy)}
        judged = dict(zip(policies, evaluator.judge(list(policies.values())), strict=True))
        return policies, {name: one.quantities[metric.name] for name, one in judged.items()}, divergences

    def _show(self, entry: Entry) -> None:
        self.progress.advance("episodes", entry.number + 1, self.settings.episodes)

    def winner(self, problem: PolicyProblem, policies: Mapping[str, Architecture], judged: Mapping[str, float]) -> str:
        """The cheapest of the policies whose judged score is within the tolerance of the best; of equal ones the
        first."""
        ranks = {name: self.task.metric.rank(score) for name, score in judged.items()}
        least = max(ranks.values()) - self.settings.tolerance
        return min((name for name in ranks if ranks[name] >= least), key=lambda name: problem.cost(policies[name]))

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

    @cached_property
    def _test_images(self) -> tuple[Tensor, Tensor]:
        """Normalized test images (N, C, H, W) and their labels."""
        count = min(len(self.data.test.labels), self.settings.test_images)
        indices = torch.arange(count)
        return Normalize(self.data, torch.device("cpu"))(self.data.test.fetch(indices)), self.data.test.labels[indices]

    def file_score(self, runtime: Runtime, path: Path) -> float:
        """The metric on the test images, by running the file on this machine image by image."""
        run = runtime.load(path)
        return self._score(lambda image: run(image.contiguous()), 1)

    def simulated_score(self, simulated: SimulatedNetwork) -> float:
        """The same by simulation."""
        with torch.inference_mode():
            return self._score(simulated, BATCH)

    def _score(self, run: Callable[[Tensor], Tensor], batch: int) -> float:
        images, labels = self._test_images
        counts = torch.zeros(self.task.metric.shape, dtype=torch.int64)
        for part, of_part in zip(torch.split(images, batch), torch.split(labels, batch), strict=True):
            counts += self.task.metric.counts(run(part), self.task.targets(of_part))
        return self.task.metric.value(counts, len(labels))
