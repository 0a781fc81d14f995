"""Pair terms: what two neighboring ops cost together beyond what they cost alone.

Measured as networks of two ops. Between two precisions it is the conversion of the tensor between them. Within one
precision it is negative where a runtime brings a tensor into a layout of its own, and back: ops measured alone pay that
at both ends, and neighbors do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from latkit.errors import NotMeasured
from latkit.ops import INPUT, Network, Op, Shape
from latkit.ops.precision import PRECISIONS

Precisions = tuple[str, str]
"""Of the producer and of the consumer."""

MAX_PAIR_S = 1e4
"""Maximum magnitude of a pair term."""


class PairEntry(BaseModel):
    """One pair term in a file."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    producer: str
    consumer: str
    shape: list[Annotated[int, Field(ge=1)]] = Field(min_length=1, max_length=3)
    seconds: Annotated[float, Field(ge=-MAX_PAIR_S, le=MAX_PAIR_S)]


@dataclass(frozen=True, slots=True)
class PairTerms:
    """Seconds of pairs of neighboring ops by the precisions of both and the shape of the tensor between them.

    For shapes that were not measured they are interpolated in the tensor's number of elements.
    """

    measured: Mapping[tuple[Precisions, Shape], float] = field(default_factory=dict)

    def seconds(self, producer: Op, consumer: Op) -> float:
        """The pair term of two neighbors; without a measurement 0 within one precision.

        A skip passes on a tensor in its own precision. The term within that precision is counted after the skip, so
        that a skip in its producer's precision changes nothing.

        Raises NotMeasured for two precisions whose conversion was not measured.
        """
        before, after, shape = producer.precision, consumer.precision, producer.output_shape
        if not consumer.is_identity:
            return self._seconds((before, after), shape)
        return self._seconds((before, after), shape) - self._seconds((after, after), shape)

    def _seconds(self, precisions: Precisions, shape: Shape) -> float:
        if (precisions, shape) in self.measured:
            return self.measured[precisions, shape]
        known = sorted((math.prod(size), value) for (pair, size), value in self.measured.items() if pair == precisions)
        if not known:
            return self._unmeasured(precisions, shape)
        sizes, values = np.array(known).T
        return float(np.interp(math.prod(shape), sizes, values))

    def _unmeasured(self, precisions: Precisions, shape: Shape) -> float:
        if len({PRECISIONS.get(one).activations for one in precisions}) == 1:
            return 0.0  # the tensor is passed on as it is
        size = "x".join(map(str, shape))
        raise NotMeasured(
            f"the conversion from {precisions[0]} to {precisions[1]} at {size} was not measured; collect a space in "
            f"both precisions, such as SPACE:{'+'.join(sorted(set(precisions)))}"
        )

    def of_network(self, network: Network) -> list[float]:
        """For each op, the seconds of all pairs with its producers. Raises NotMeasured."""
        if not self.measured and len({op.precision for op in network.ops}) == 1:
            return [0.0] * len(network.ops)
        exported = network.without_identities()
        terms = iter(
            sum(self.seconds(exported.ops[source], op) for source in taken if source != INPUT)
            for op, taken in zip(exported.ops, exported.inputs, strict=True)
        )
        return [0.0 if op.is_identity else next(terms) for op in network.ops]

    def entries(self) -> Iterator[PairEntry]:
        """As in a file."""
        for ((producer, consumer), shape), seconds in self.measured.items():
            yield PairEntry(producer=producer, consumer=consumer, shape=list(shape), seconds=seconds)

    @classmethod
    def of_entries(cls, entries: Iterable[PairEntry]) -> PairTerms:
        """From a file."""
        return cls({((one.producer, one.consumer), tuple(one.shape)): one.seconds for one in entries})


def fit_pairs(measured_s: Mapping[Network, float], op_seconds: Callable[[Op], float], fixed_s: float) -> PairTerms:
    """Pair terms from the latencies of networks of two ops, in seconds, and of their ops without the fixed cost.

    Several networks with one tensor and the same precisions give the mean. Networks of unknown ops are left out.
    """
    found: dict[tuple[Precisions, Shape], list[float]] = {}
    for network, seconds in measured_s.items():
        producer, consumer = network.ops
        try:
            alone = op_seconds(producer) + op_seconds(consumer)
        except NotMeasured:
            continue
        key = (producer.precision, consumer.precision), producer.output_shape
        found.setdefault(key, []).append(seconds - fixed_s - alone)
    return PairTerms({key: float(np.mean(values)) for key, values in found.items()})
