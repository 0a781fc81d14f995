"""Spaces over several precisions: every candidate of a chain in each of them."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.errors import UsageError
from latkit.ops import Network
from latkit.ops.precision import FP32, PRECISIONS
from latkit.spaces.base import Architecture, Space
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


def network_precisions(network: Network, precisions: Sequence[str]) -> ChainSpace:
    """The chain of one network's ops, each in every precision, the one with the fewest bits first.

    An architecture of it is a policy: one precision for every op. Raises UsageError for fewer than two precisions, and
    for a network that is no chain or is quantized already.
    """
    ordered = sorted(dict.fromkeys(precisions), key=_bits)
    if len(ordered) < 2:
        raise UsageError(f"expected at least two precisions to choose from, but found {', '.join(ordered) or 'none'}")
    exported = network.without_identities()
    if not exported.is_chain:
        raise UsageError(f"expected a network that is a chain of ops, but found branches in {network.title}")
    quantized = [op for op in exported.ops if op.precision != FP32.name]
    if quantized:
        raise UsageError(
            f"expected a network in fp32, but found {quantized[0].title} in {network.title}, which is quantized "
            "already; give the network that it was made of"
        )
    layers = (
        Layer(f"layer{number}", tuple(op.in_precision(name) for name in ordered))
        for number, op in enumerate(exported.ops)
    )
    return ChainSpace(f"{network.title}{MARK}{'+'.join(ordered)}", tuple(layers))


def _bits(name: str) -> tuple[int, int, str]:
    """Sort key: bits of weights, bits of activations."""
    precision = PRECISIONS.get(name)
    return precision.weight_bytes(8), precision.bits, name


def uniform_policy(space: ChainSpace, precision: str) -> Architecture:
    """The policy that gives every op one precision. Raises UsageError where an op lacks it."""
    known = [[op.precision for op in layer.candidates] for layer in space.choice_layers]
    for names in known:
        if precision not in names:
            raise UsageError(f"expected a precision among {', '.join(names)}, but found {precision}")
    return tuple(names.index(precision) for names in known)


def common_precisions(space: ChainSpace) -> tuple[str, ...]:
    """The precisions that every op of the space has."""
    first, *others = ([op.precision for op in layer.candidates] for layer in space.choice_layers)
    return tuple(name for name in first if all(name in names for names in others))


def policy_names(space: ChainSpace, policy: Sequence[int]) -> tuple[str, ...]:
    """The precision of every op, in order. Raises UsageError for what is no architecture of the space."""
    return tuple(op.precision for op in space.decode(policy).ops)
