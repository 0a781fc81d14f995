"""A search by gradient that starts from the weights of a trained supernet."""

from __future__ import annotations

from dataclasses import dataclass

from latkit.errors import UsageError
from latkit.search.supernet.elastic.base import ElasticNet
from latkit.search.supernet.supernet import Supernet
from latkit.spaces import ChainSpace, Space


@dataclass(frozen=True)
class SupernetStart:
    """Trained weights, from which every candidate of a chain takes its part."""

    net: ElasticNet
    weights_sha256: str
    """Of the weights' file."""

    def chain(self, space: Space) -> ChainSpace:
        """The space as a chain of the supernet's. Raises UsageError where it is none."""
        found = next((chain for chain in self.net.chains() if chain.key == space.key), None)
        if found is None:
            raise UsageError(
                f"expected the space of the supernet, {self.net.space.name} at one resolution and width, but found "
                f"space {space.name}; leave out --space"
            )
        return found

    def load_into(self, supernet: Supernet, space: Space) -> None:
        """Give every candidate its part of the weights; batch norm statistics begin anew. Raises UsageError."""
        self.net.give_weights(supernet, self.chain(space))
