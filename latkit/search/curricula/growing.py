"""Growing: the smallest sub-network first, then all; the reverse of progressive shrinking."""

from __future__ import annotations

from latkit.search.curricula.base import Curriculum, Stage, every_option, share_epochs, smallest_stage
from latkit.spaces import Space


class Growing(Curriculum):
    """One sub-network per step, which learns from the labels: first always the smallest, then one drawn uniformly.

    The smallest one's steps take the least time (.4 of a random one's in the benchmark's space), so there are more of
    them in the same seconds; its weights are in all others, and the blocks beyond its depth begin as identities. The
    learning rate is one rise and one fall over both stages.
    """

    name = "growing"
    summary = "the smallest sub-network first, whose steps are the cheapest, then one per step, drawn uniformly"
    needs_order = True
    smallest_share = 0.8
    """Share of the epochs that train the smallest sub-network alone: about .6 of the seconds."""
    smallest_schedule = 0.6
    """The part of the rise and fall of the learning rate that these epochs have."""

    def stages(self, space: Space, epochs: int) -> tuple[Stage, ...]:
        """Two stages; of a single epoch only the second."""
        if epochs == 1:
            return (Stage("all", 1, every_option(space)),)
        smallest, rest = share_epochs(self.name, epochs, [self.smallest_share, 1 - self.smallest_share])
        return (
            smallest_stage(space, smallest, self.smallest_schedule),
            Stage("all", rest, every_option(space), schedule=(self.smallest_schedule, 1.0)),
        )


CURRICULUM = Growing()
