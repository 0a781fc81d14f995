"""The supernet of a space: elastic weights, or a chain's candidates with weights of their own.

A space names the kind. A plug-in adds one with an entry point of the group `latkit.supernets` that is a class derived
from `ElasticNet`.
"""

from __future__ import annotations

from latkit._registry import Registry
from latkit.errors import UsageError
from latkit.search.curricula import Curriculum
from latkit.search.supernet.elastic.base import ElasticNet
from latkit.spaces import Space
from latkit.spaces.elastic import ElasticSpace

SUPERNETS: Registry[type] = Registry(
    "kind of supernet",
    "latkit.supernets",
    type,
    {
        "chain": "latkit.search.supernet.chain_net:ChainNet",
        "elastic": "latkit.search.supernet.elastic.space_net:ElasticSupernet",
    },
)
"""The supernets by the names that spaces have for them."""


def build_net(space: Space, checkpointing: bool = False) -> ElasticNet:
    """The untrained supernet of a space. Raises UsageError for one that is neither elastic nor a chain."""
    if space.supernet:
        net: ElasticNet = SUPERNETS.get(space.supernet)(space, checkpointing)
        return net
    raise UsageError(
        "expected an elastic space, such as ofa-tiny, or a chain, such as proxyless-tiny, but found space "
        f"{space.name}, which is neither"
    )


def check_curriculum(curriculum: Curriculum, net: ElasticNet) -> None:
    """Raise UsageError where a curriculum shrinks networks, but those of this space are not parts of a largest one."""
    if curriculum.needs_order and not net.is_ordered:
        raise UsageError(
            f"curriculum {curriculum.name}: expected an elastic space, whose networks are parts of the largest, but "
            f"found the chain {net.space.name}; train it with: --curriculum uniform"
        )


def as_elastic(space: Space, needed_by: str) -> ElasticSpace:
    """The space as an elastic one. Raises UsageError for another, naming what needs it."""
    if not isinstance(space, ElasticSpace):
        raise UsageError(
            f"{needed_by}: expected a supernet of an elastic space, but found one of {space.name}; search it with: "
            "latkit search TARGET --space SPACE --strategy evolution --evaluator shared-weights:FOLDER"
        )
    return space
