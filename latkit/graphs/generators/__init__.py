"""Generators of network families: typical kernels, and typical neighbors, of current networks.

Small networks of random sizes are drawn from them, and a target is measured on their kernels, so that an external
network finds its own kinds of kernels among them. None of them is a published network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from latkit.graphs.dialects import DIALECTS
from latkit.graphs.generators.assorted import assorted
from latkit.graphs.generators.attentional import normed_linear, patches, projected, pyramid, transformer, windows
from latkit.graphs.generators.convolutional import (
    decoder,
    grouped,
    inverted,
    last_axis_blocks,
    padded,
    pooled,
    residual,
    separable,
)
from latkit.graphs.generators.parts import Draw
from latkit.graphs.generators.stacked import STACKS
from latkit.graphs.graph import Graph
from latkit.graphs.onnx.builder import GraphBuilder

FAMILIES: dict[str, Callable[[GraphBuilder, Draw, str], Graph]] = {
    "inverted": inverted,
    "residual": residual,
    "transformer": transformer,
    "separable": separable,
    "channels-last": last_axis_blocks,
    "pyramid": pyramid,
    "windows": windows,
    "patches": patches,
    "pooled": pooled,
    "normed-linear": normed_linear,
    "projected": projected,
    "decoder": decoder,
    "padded": padded,
    "assorted": assorted,
    "grouped": grouped,
}
"""By name."""


def networks(seed: int = 0, dialect: str = "onnx") -> Iterator[Graph]:
    """An endless sequence of small networks, alternating between families; always the same."""
    number = 0
    while True:
        for name, family in FAMILIES.items():
            yield family(DIALECTS[dialect].builder(), Draw(seed, number, name), f"{name}-{number}")
        number += 1


def stacks(dialect: str = "onnx") -> list[Graph]:
    """Networks of equal blocks: millions of weights in few different kernels."""
    return [stack(DIALECTS[dialect].builder(), name) for name, stack in STACKS.items()]
