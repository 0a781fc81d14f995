"""A chain's supernet, trained and taken apart as elastic ones are: each candidate has weights of its own."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

from latkit.search.supernet.blocks import batch_norms
from latkit.search.supernet.elastic.base import ElasticNet
from latkit.search.supernet.supernet import Paths, Supernet
from latkit.search.supernet.sync_norm import synchronize
from latkit.spaces import Architecture, ChainSpace, Space, as_chain

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class ChainNet(ElasticNet):
    """All candidates of a chain such as ProxylessNAS's space, one path of which runs (Guo et al. 2020, section 3.1).

    Nothing but the choice of candidates is elastic: there are one resolution and no channels to sort.
    """

    is_ordered: ClassVar[bool] = False

    def __init__(self, space: Space, checkpointing: bool = False) -> None:
        """Raises UsageError for a space that is no chain."""
        super().__init__()
        self.space = space
        self.supernet = Supernet(space, checkpointing)
        for norm in batch_norms(self.supernet):
            norm.track_running_stats = False
        work = [[op.macs for op in layer.candidates] for layer in as_chain(space, "a supernet").choice_layers]
        self._smallest = tuple(row.index(min(row)) for row in work)
        self._largest = tuple(row.index(max(row)) for row in work)

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        """Scores (N, classes) of images (N, C, H, W)."""
        out: Tensor = self.supernet(images, Paths.single(architecture))
        return out

    def resolution(self, architecture: Architecture) -> int:  # noqa: ARG002 - all take the same
        """Height and width of the space's images."""
        return self.space.input_shape[-1]

    def subnet(self, architecture: Architecture) -> nn.Module:
        """The module that `build_module(space.decode(architecture))` gives, with copies of the weights."""
        module = copy.deepcopy(self.supernet.path_module(architecture))
        for norm in batch_norms(module):
            norm.track_running_stats = True
        return module

    def sort_channels(self, in_use: Sequence[Architecture]) -> None:
        """Nothing: every candidate has its channels to itself."""

    def chains(self) -> Iterator[ChainSpace]:
        """Its own space."""
        yield as_chain(self.space, "a supernet")

    def give_weights(self, supernet: Supernet, chain: ChainSpace) -> None:  # noqa: ARG002 - there is one
        """See `ElasticNet`."""
        supernet.load_state_dict(self.supernet.state_dict(), strict=False)

    @property
    def smallest(self) -> Architecture:
        """The candidate with the fewest MACs in every layer."""
        return self._smallest

    @property
    def largest(self) -> Architecture:
        """The candidate with the most MACs in every layer."""
        return self._largest

    def normalize_together(self, fabric: Fabric) -> None:
        """See `ElasticNet`."""
        super().normalize_together(fabric)
        synchronize(self.supernet, fabric)
