"""Evaluation by prediction: what follows from the network, and the latency that models of targets predict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from latkit.errors import NotMeasured, UsageError
from latkit.latency_models import LatencyModel
from latkit.ops import Network
from latkit.search.evaluators.base import Evaluator
from latkit.search.evaluators.verdict import Verdict
from latkit.spaces.base import Architecture, Space

COUNTED = ("macs", "parameters", "parameter_bytes", "peak_bytes")


class PredictedEvaluator(Evaluator):
    """MACs, parameters, memory, and the latency on targets. Everything is free.

    The quantities of a target named `pi4` are `seconds.pi4`, and, where the model gives an interval,
    `seconds.pi4.low` and `seconds.pi4.high`; of a target without a name `seconds`, `seconds.low` and `seconds.high`.
    """

    def __init__(self, space: Space, models: Mapping[str, LatencyModel] | None = None) -> None:
        """`models`: the latency model of every target by a name."""
        self.space, self.models = space, dict(models or {})
        self.name = "+".join(["counted", *(name or "predicted" for name in self.models)])

    @property
    def quantities(self) -> tuple[str, ...]:
        """What every verdict has; intervals come where a model gives them."""
        return (*COUNTED, *map(seconds_of, self.models))

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        """One verdict per architecture; a failure where a target lacks measurements. There is one effort."""
        self.effort_index(effort)
        return [self._judge(self.space.decode(one)) for one in architectures]

    def _judge(self, network: Network) -> Verdict:
        values: dict[str, float] = {
            "macs": float(network.macs),
            "parameters": float(network.parameters),
            "parameter_bytes": float(network.parameter_bytes),
            "peak_bytes": float(activation_peak_bytes(network)),
        }
        for name, model in self.models.items():
            try:
                estimate = model.predict(network)
            except (NotMeasured, UsageError) as error:
                return Verdict.failed(f"{name}: {error}", evaluations=0.0)
            quantity = seconds_of(name)
            values[quantity] = estimate.seconds
            if estimate.interval is not None:
                values[f"{quantity}.low"], values[f"{quantity}.high"] = estimate.interval
        return Verdict(values)


def seconds_of(name: str) -> str:
    """The quantity with the latency on a target of that name."""
    return f"seconds.{name}" if name else "seconds"


def activation_peak_bytes(network: Network) -> int:
    """Maximum bytes of activations held at one time, when ops run one by one in order and outputs are dropped after
    their last use."""
    last_use = {source: index for index, taken in enumerate(network.inputs) for source in taken}
    held: dict[int, int] = {}
    peak = 0
    for index, (op, taken) in enumerate(zip(network.ops, network.inputs, strict=True)):
        for source, shape in zip(taken, op.input_shapes, strict=True):
            held.setdefault(source, op.bytes(math.prod(shape)))
        others = sum(size for source, size in held.items() if source not in taken)
        peak = max(peak, others + op.activation_peak_bytes)
        held = {source: size for source, size in held.items() if last_use[source] > index}
        if index in last_use:
            held[index] = op.bytes(math.prod(op.output_shape))
    return peak
