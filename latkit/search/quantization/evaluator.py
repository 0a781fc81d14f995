"""Policies judged after post-training quantization, simulated on training images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from latkit.search.data import DataSplit, Normalize
from latkit.search.evaluators.base import Evaluator
from latkit.search.evaluators.verdict import Verdict
from latkit.search.quantization.simulation import SimulatedNetwork
from latkit.search.tasks import Task
from latkit.spaces import Architecture, ChainSpace
from latkit.spaces.precisions import policy_names

BATCH = 256


@dataclass(frozen=True, slots=True)
class JudgedImages:
    """Normalized training images and their labels: for ranges, and for judging. They do not overlap."""

    calibration: Tensor
    images: Tensor
    labels: Tensor

    @classmethod
    def of(cls, data: DataSplit, calibration: int, judged: int, seed: int = 0) -> JudgedImages:
        """Draw them from the training images: never from the test images."""
        count = len(data.train.labels)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
        ranges = order[: min(calibration, max(count // 2, 1))]
        judged_at = order[len(ranges) : len(ranges) + judged]
        normalize = Normalize(data, torch.device("cpu"))
        calibrating, judging = (normalize(data.train.fetch(part)) for part in (ranges, judged_at))
        return cls(calibrating, judging, data.train.labels[judged_at])


class QuantizedEvaluator(Evaluator):
    """The task's metric on training images, and how far the outputs diverge from those before quantization.

    The divergence is the task's loss of distillation at temperature 1: for classes, the mean KL(fp32 || quantized) of
    their probabilities.
    """

    def __init__(self, space: ChainSpace, network: SimulatedNetwork, images: JudgedImages, task: Task) -> None:
        """Takes the ranges of activations from the calibration images."""
        self.space, self.network, self.images, self.task = space, network.eval(), images, task
        self.name = f"quantized {space.key[:8]}"
        network.calibrate(images.calibration)
        network.set_policy(["fp32"] * len(network.ops()))
        self._original = self._outputs()

    @property
    def quantities(self) -> tuple[str, ...]:
        """The metric of the task, and `divergence`, in nats."""
        return (self.task.metric.name, "divergence")

    @property
    def original_score(self) -> float:
        """The metric on the same images before quantization."""
        return self._score(self._original)

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        """One verdict per policy. There is one effort."""
        self.effort_index(effort)
        return [self._judge(policy) for policy in architectures]

    def sensitivities(self, reference: str = "fp32") -> list[list[float]]:
        """For every choice and precision, the divergence when that op alone has it and all others are `reference`."""
        base = tuple(
            next(at for at, op in enumerate(layer.candidates) if op.precision == reference)
            for layer in self.space.choice_layers
        )
        found: list[list[float]] = []
        for place, layer in enumerate(self.space.choice_layers):
            policies = [(*base[:place], at, *base[place + 1 :]) for at in range(len(layer.candidates))]
            found.append([verdict.quantities["divergence"] for verdict in self.judge(policies)])
        return found

    def _judge(self, policy: Architecture) -> Verdict:
        self.network.set_policy(policy_names(self.space, policy))
        outputs = self._outputs()
        divergence = self.task.distillation_loss(outputs, self._original, 1.0)
        quantities = {self.task.metric.name: self._score(outputs), "divergence": max(float(divergence), 0.0)}
        return Verdict(quantities, {"evaluations": 1.0})

    def _outputs(self) -> Tensor:
        with torch.inference_mode():
            return torch.cat([self.network(batch) for batch in torch.split(self.images.images, BATCH)])

    def _score(self, outputs: Tensor) -> float:
        metric, targets = self.task.metric, self.task.targets(self.images.labels)
        return metric.value(metric.counts(outputs, targets), len(targets))
