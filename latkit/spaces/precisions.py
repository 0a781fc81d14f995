"""Spaces over several precisions: every candidate of a chain in each of them."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.errors import UsageError
from latkit.spaces.base import Space
from latkit.spaces.chain import ChainSpace, Layer, as_chain

MARK = ":"
"""Between the name of a space and its precisions: `proxyless-mobile:fp32+int8`."""


def with_precisions(space: Space, precisions: Sequence[str]) -> ChainSpace:
    """The chain with every candidate in each of the precisions; every layer becomes a choice of several.

    A skip has a precision too, that of the tensor which it passes on: a table's pair terms count the conversions before
    and after it. Raises UsageError for a space that is no chain, an unknown precision, or none.
    """
    chain, known = as_chain(space, "a space over precisions"), tuple(dict.fromkeys(precisions))
    if not known:
        raise UsageError(f"expected precisions of space {space.name}, such as fp32+int8, but found none")
    layers = (
        Layer(
            layer.name,
            tuple(dict.fromkeys(op.in_precision(one) for one in known for op in layer.candidates)),
        )
        for layer in chain.layers
    )
    return ChainSpace(f"{chain.name}{MARK}{'+'.join(known)}", tuple(layers))


def used_precisions(space: Space) -> tuple[str, ...]:
    """The precisions of a space's ops, in the order of first appearance."""
    return tuple(dict.fromkeys(op.precision for op in space.ops()))
