"""What every elastic network offers: one forward pass per architecture, plain sub-networks, sorted channels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from torch import Tensor, nn

from latkit.search.supernet.blocks import batch_norms
from latkit.search.supernet.elastic.sharing import SharedModule
from latkit.search.supernet.supernet import Supernet
from latkit.search.supernet.sync_norm import synchronize
from latkit.spaces import Architecture, ChainSpace, Space

if TYPE_CHECKING:
    from lightning_fabric import Fabric

DIMENSIONS = ("resolution", "kernel", "depth", "expansion", "width")
"""What may be elastic: the last part of a choice's name, in the order in which progressive shrinking frees them."""

SORTED = ("expansion", "width")
"""Dimensions that cut channels: the channels are sorted by importance before they shrink."""


class ElasticNet(nn.Module, ABC):
    """Weights of the largest network of a space; every other network of the space takes a part of them.

    `forward` takes the architecture that runs. Batch norm then uses the statistics of the batch: running ones would
    belong to no sub-network.
    """

    space: Space
    is_ordered: ClassVar[bool] = True
    """Whether later options of a choice hold the weights of earlier ones, so that networks can be shrunk."""
    fabric: Fabric | None = None
    """Of several processes that normalize a batch together."""

    def __init__(self) -> None:
        super().__init__()
        self._shared: dict[Hashable, SharedModule] = {}
        """Modules that run with parts of the weights, built when they are first used."""

    @abstractmethod
    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        """Scores (N, classes) of images (N, C, H, W) at the architecture's resolution."""

    @abstractmethod
    def resolution(self, architecture: Architecture) -> int:
        """Height and width of the images that an architecture takes."""

    @abstractmethod
    def subnet(self, architecture: Architecture) -> nn.Module:
        """An architecture as a plain module with copies of its weights, on their device.

        Its batch norm statistics have to be recalibrated before it is evaluated.
        """

    @abstractmethod
    def sort_channels(self, in_use: Sequence[Architecture]) -> None:
        """Reorder channels by falling importance, so that small sub-networks take the best. The output does not change.

        Each of the architectures in use keeps its channels.
        """

    def chains(self) -> Iterator[ChainSpace]:
        """The chains whose searches by gradient may start from these weights."""
        yield from ()

    def give_weights(self, supernet: Supernet, chain: ChainSpace) -> None:
        """Set the weights of one of these chains' candidates to their parts of these."""
        raise NotImplementedError

    @property
    def smallest(self) -> Architecture:
        """The architecture with the first option of every choice."""
        return (0,) * len(self.space.choices)

    @property
    def largest(self) -> Architecture:
        """The architecture with the last option of every choice."""
        return tuple(len(choice.options) - 1 for choice in self.space.choices)

    def at_options(self, ranks: Mapping[str, int]) -> Architecture:
        """The largest architecture, with one option in all choices of some dimensions; the last where it is beyond."""
        return tuple(
            min(ranks.get(dimension_of(choice.name), option), option)
            for option, choice in zip(self.largest, self.space.choices, strict=True)
        )

    def normalize_together(self, fabric: Fabric) -> None:
        """From now on, several processes normalize their parts of a batch as one would the full batch."""
        self.fabric = fabric
        self._shared.clear()

    def prepared(self, skeleton: nn.Module) -> nn.Module:
        """A module without weights of its own, ready to run with parts of these: by the statistics of the batch."""
        if self.fabric is not None:
            synchronize(skeleton, self.fabric)
        for norm in batch_norms(skeleton):
            norm.track_running_stats = False
        return skeleton.train()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """The weights get other memory."""
        self._shared.clear()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def __getstate__(self) -> dict[str, Any]:
        """For copies: parts belong to these weights."""
        return {**self.__dict__, "_shared": {}}


def dimension_of(choice: str) -> str:
    """What a choice makes elastic, one of `DIMENSIONS`, by its name."""
    last = choice.rpartition(".")[2]
    return "expansion" if last == "channels" else last
