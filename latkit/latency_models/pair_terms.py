"""Pair terms: what two neighboring ops cost together beyond what they cost alone.

Measured as networks of two or three ops. Between two precisions it is the conversion of the tensor between them.
Within one precision it is negative where a runtime brings a tensor into a layout of its own, and back: ops measured
alone pay that at both ends, and neighbors do not.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from latkit.errors import NotMeasured
from latkit.ops import INPUT, Network, Op, Shape
from latkit.ops.precision import PRECISIONS

MAX_PAIR_S = 1e4
"""Maximum magnitude of a pair term."""


class PairEntry(BaseModel):
    """One pair term in a file."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    producer: str
    consumer: str
    shape: list[Annotated[int, Field(ge=1)]] = Field(min_length=1, max_length=3)
    residual: bool = False
    seconds: Annotated[float, Field(ge=-MAX_PAIR_S, le=MAX_PAIR_S)]


class Link(NamedTuple):
    """A tensor between two ops, by what its cost depends on."""

    producer: str
    """Precision of the op that gives it."""
    consumer: str
    """Precision of the op that takes it."""
    shape: Shape
    residual: bool
    """Whether the consumer also adds it to its output. Then a runtime that cannot pass it on in the layout of its own
    adds in another layout, and so do the residual ops after that one."""

    @classmethod
    def of(cls, producer: Op, consumer: Op) -> Link:
        """That of two neighbors."""
        residual = consumer.definition.is_residual(consumer)
        return cls(producer.precision, consumer.precision, producer.output_shape, residual)


@dataclass(frozen=True, slots=True)
class PairTerms:
    """Seconds of pairs of neighboring ops by the link between them.

    For shapes that were not measured they are interpolated in the tensor's number of elements.
    """

    measured: Mapping[Link, float] = field(default_factory=dict)

    def seconds(self, producer: Op, consumer: Op) -> float:
        """The pair term of two neighbors; without a measurement 0 within one precision.

        A skip passes on a tensor in its own precision. The term within that precision is counted after the skip, so
        that a skip in its producer's precision changes nothing.

        Raises NotMeasured for two precisions whose conversion was not measured.
        """
        link = Link.of(producer, consumer)
        if not consumer.is_identity:
            return self._seconds(link)
        return self._seconds(link) - self._seconds(link._replace(producer=link.consumer))

    def _seconds(self, link: Link) -> float:
        for known in (link, link._replace(residual=not link.residual)):
            if known in self.measured:
                return self.measured[known]
        sizes = sorted(
            (math.prod(known.shape), seconds)
            for known, seconds in self.measured.items()
            if (known.producer, known.consumer) == (link.producer, link.consumer)
        )
        if not sizes:
            return self._unmeasured(link)
        elements, values = np.array(sizes).T
        return float(np.interp(math.prod(link.shape), elements, values))

    def _unmeasured(self, link: Link) -> float:
        precisions = link.producer, link.consumer
        if len({PRECISIONS.get(one).activations for one in precisions}) == 1:
            return 0.0  # the tensor is passed on as it is
        size = "x".join(map(str, link.shape))
        raise NotMeasured(
            f"the conversion from {precisions[0]} to {precisions[1]} at {size} was not measured; collect a space in "
            f"both precisions, such as SPACE:{'+'.join(sorted(set(precisions)))}"
        )

    def scaled(self, within: float, beyond: float) -> PairTerms:
        """Calibrated terms: what a link costs within one precision and what a conversion costs beyond, times a factor
        each.

        A link between two precisions costs as much as the mean of those within each, and the conversion beyond that.
        """
        return PairTerms({link: self._scaled(link, within, beyond) for link in self.measured})

    def _scaled(self, link: Link, within: float, beyond: float) -> float:
        seconds = self.measured[link]
        if link.producer == link.consumer:
            return within * seconds
        alike = (link._replace(consumer=link.producer), link._replace(producer=link.consumer))
        same = sum(map(self._seconds, alike)) / 2
        return within * same + beyond * (seconds - same)

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
        for link, seconds in self.measured.items():
            yield PairEntry(**link._asdict() | {"shape": list(link.shape)}, seconds=seconds)

    @classmethod
    def of_entries(cls, entries: Iterable[PairEntry]) -> PairTerms:
        """From a file."""
        return cls({Link(one.producer, one.consumer, tuple(one.shape), one.residual): one.seconds for one in entries})


def fit_pairs(measured_s: Mapping[Network, float], op_seconds: Callable[[Op], float], fixed_s: float) -> PairTerms:
    """Pair terms from the latencies of short chains, in seconds, and of their ops without the fixed cost.

    Of several chains with one link, the least squares count. Chains with unknown ops are left out.
    """
    rows: list[tuple[list[Link], float]] = []
    for network, seconds in measured_s.items():
        with contextlib.suppress(NotMeasured):
            beyond_s = seconds - fixed_s - sum(map(op_seconds, network.ops))
            rows.append(([Link.of(*pair) for pair in itertools.pairwise(network.ops)], beyond_s))
    places = {link: place for place, link in enumerate(dict.fromkeys(link for links, _ in rows for link in links))}
    if not places:
        return PairTerms()
    counts = np.zeros((len(rows), len(places)))
    for row, (links, _) in enumerate(rows):
        for link in links:
            counts[row, places[link]] += 1
    solved, *_ = np.linalg.lstsq(counts, np.array([seconds for _, seconds in rows]), rcond=None)
    return PairTerms({link: float(solved[place]) for link, place in places.items()})
