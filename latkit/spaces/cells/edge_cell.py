"""Cells with ops on edges: NAS-Bench-201 (Dong & Yang 2020)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar

from latkit._io import one_line
from latkit.errors import UsageError
from latkit.ops import INPUT, Network, Op
from latkit.spaces.base import Architecture, Choice
from latkit.spaces.cells.builder import NetworkBuilder
from latkit.spaces.parametric import MAX_CHANNELS, MAX_CLASSES, MAX_REPEATS, MAX_RESOLUTION, ParametricSpace

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NONE, SKIP, CONV1, CONV3, POOL = range(len(OPS))

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""Source and destination node, in the order of the benchmark's strings; node 0 is the input, node 3 the output."""

OUTPUT = 3
STAGES = 3
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""The edges of every way from the input to the output."""

KERNELS = {CONV1: 1, CONV3: 3}

Steps = tuple[tuple[str, int, tuple[int, ...]], ...]
"""The ops of a cell, each with its kernel and its inputs; -1 is the cell's input."""


@dataclass(frozen=True)
class EdgeCellSpace(ParametricSpace):
    """NAS-Bench-201: a cell of four nodes, each the sum of what ops make of all nodes before it.

    The network has a stem, three stages of equal cells with a residual reduction between them, and a head. An edge
    `none` carries nothing. Where no edge leads to the output, the cell gives zeros.
    """

    name: str = "nasbench201"
    resolution: int = 32
    channels: int = 16
    """Of the first stage; each further stage has twice as many."""
    cells: int = 5
    """In each stage."""
    classes: int = 10

    format: ClassVar[str] = "latkit-edge-cells-1"
    resolution_divisor: ClassVar[int] = 4
    ranges: ClassVar[dict[str, tuple[int, int]]] = {
        "resolution": (8, MAX_RESOLUTION),
        "channels": (1, MAX_CHANNELS),
        "cells": (1, MAX_REPEATS),
        "classes": (2, MAX_CLASSES),
    }

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """The op of every edge."""
        return tuple(Choice(f"edge{source}to{node}", OPS) for source, node in EDGES)

    def ops(self) -> tuple[Op, ...]:
        """The distinct ops that take time, in the order of first appearance in two networks that have them all."""
        rich = (CONV1, CONV3, POOL, CONV3, CONV1, POOL)
        every = [self.decode(one) for one in (rich, (NONE,) * len(EDGES))]
        return tuple(dict.fromkeys(op for network in every for op in network.ops))

    def decode(self, architecture: Sequence[int], name: str = "") -> Network:
        """The network of an architecture, without the ops that cannot change its output."""
        steps = _steps(self.check(architecture))
        build = NetworkBuilder(self.input_shape)
        at = build.add("conv", INPUT, out_channels=self.channels, activation="none")
        for stage in range(STAGES):
            if stage:
                at = _reduce(build, at)
            start = len(build.ops)
            at = _append_cell(build, at, steps)
            stop = len(build.ops)
            for _ in range(self.cells - 1 if steps else 0):
                at = build.repeat(start, stop, at)
        at = build.add("batch_norm", at, activation="relu")
        at = build.add("pool", at)
        build.add("linear", at, out_features=self.classes)
        return build.network(name)

    def canonical(self, architecture: Sequence[int]) -> Architecture:
        """The first of the architectures that the benchmark calls isomorphic: 6,466 classes.

        Skips are followed, and sums are ordered. An edge that carries nothing still counts in the sum that it enters,
        so that some classes decode to one network. Raises UsageError as `check` does.
        """
        return _representatives()[self.check(architecture)]

    def features(self, architecture: Sequence[int]) -> tuple[float, ...]:
        """One number per op and edge, then one per path of ops from the input to the output (White et al. 2021, section
        4): 4 of one op, 16 of two, 64 of three."""
        return _features(self.check(architecture))

    def read(self, text: str) -> Architecture:
        """The architecture of a string such as `|none~0|+|none~0|none~1|+|none~0|none~1|none~2|`. Raises UsageError."""
        found = _read(text)
        if found is None:
            raise UsageError(
                f"expected a cell of NAS-Bench-201 such as {self.write((0,) * 6)}, found {one_line(text, 120)}"
            )
        return found

    def write(self, architecture: Sequence[int]) -> str:
        """The benchmark's string of an architecture. Raises UsageError as `check` does."""
        ops = [f"{OPS[op]}~{source}" for op, (source, _) in zip(self.check(architecture), EDGES, strict=True)]
        return "+".join(f"|{'|'.join(node)}|" for node in (ops[:1], ops[1:3], ops[3:]))


@lru_cache(maxsize=32768)
def _read(text: str) -> Architecture | None:
    parts = [part for node in text.split("+") for part in node.strip("|").split("|")]
    names = [part.rpartition("~")[0] for part in parts]
    if len(names) != len(EDGES) or not set(names) <= set(OPS):
        return None
    found = tuple(map(OPS.index, names))
    ops = [f"{name}~{source}" for name, (source, _) in zip(names, EDGES, strict=True)]
    return found if text == "+".join(f"|{'|'.join(node)}|" for node in (ops[:1], ops[1:3], ops[3:])) else None


def _expression(architecture: Architecture) -> str:
    """What the cell computes, as the benchmark's `to_unique_str` writes it with zeros considered."""
    nodes = ["0"]
    ops = iter(architecture)
    for node in range(1, OUTPUT + 1):
        terms = []
        for source in range(node):
            op, taken = next(ops), nodes[source]
            if op == NONE or taken == "#":
                terms.append("#")
            else:
                terms.append(taken if op == SKIP else f"({taken})@{op}")
        nodes.append("+".join(sorted(terms)))
    return nodes[OUTPUT]


@lru_cache(maxsize=1)
def _representatives() -> dict[Architecture, Architecture]:
    """The first architecture of the class of each: 15,625 expressions, written once."""
    first: dict[str, Architecture] = {}
    every = itertools.product(range(len(OPS)), repeat=len(EDGES))
    return {one: first.setdefault(_expression(one), one) for one in every}


@lru_cache(maxsize=16384)
def _features(architecture: Architecture) -> tuple[float, ...]:
    edges = [float(op == option) for op in architecture for option in range(len(OPS))]
    paths: list[float] = []
    for length in (1, 2, 3):
        taken = {tuple(architecture[edge] for edge in path) for path in PATHS if len(path) == length}
        paths += [float(path in taken) for path in itertools.product(range(SKIP, len(OPS)), repeat=length)]
    return tuple(edges + paths)


@lru_cache(maxsize=16384)
def _steps(architecture: Architecture) -> Steps:
    """The ops of a cell, each after its inputs, without those that do not lead to its output."""
    steps: list[tuple[str, int, tuple[int, ...]]] = []

    def add(kind: str, kernel: int, *sources: int) -> int:
        steps.append((kind, kernel, sources))
        return len(steps) - 1

    rectified: dict[int, int] = {}
    nodes: list[int | None] = [INPUT]
    for node in range(1, OUTPUT + 1):
        terms = []
        for op, (source, end) in zip(architecture, EDGES, strict=True):
            taken = nodes[source] if end == node else None
            if taken is None or op == NONE:
                continue
            if op in KERNELS:
                if taken not in rectified:
                    rectified[taken] = add("activation", 0, taken)
                taken = add("conv", KERNELS[op], rectified[taken])
            terms.append(add("pool", 3, taken) if op == POOL else taken)
        nodes.append((add("add", 0, *terms) if len(terms) > 1 else terms[0]) if terms else None)
    output = nodes[OUTPUT]
    return _reachable(steps, add("zero", 0, INPUT) if output is None else output)


def _reachable(steps: Sequence[tuple[str, int, tuple[int, ...]]], output: int) -> Steps:
    needed, queue = {INPUT}, [output]
    while queue:
        step = queue.pop()
        if step not in needed:
            needed.add(step)
            queue += steps[step][2]
    used = sorted(needed)
    place = {step: position - 1 for position, step in enumerate(used)}
    return tuple((steps[n][0], steps[n][1], tuple(place[source] for source in steps[n][2])) for n in used[1:])


def _append_cell(build: NetworkBuilder, entry: int, steps: Steps) -> int:
    """Append a cell; the position of its output: that of its last op, or its input where it has no op."""
    channels = build.shape(entry)[0]
    positions = [entry]
    for kind, kernel, sources in steps:
        attributes: dict[str, int | str] = {"kernel": kernel} if kernel else {}
        if kind == "conv":
            attributes |= {"out_channels": channels, "activation": "none"}
        positions.append(build.add(kind, *(positions[source + 1] for source in sources), **attributes))
    return positions[-1]


def _reduce(build: NetworkBuilder, entry: int) -> int:
    """Append a basic residual block with a stride of 2 that doubles the channels (He et al. 2016)."""
    channels = 2 * build.shape(entry)[0]
    at = build.add("activation", entry)
    at = build.add("conv", at, out_channels=channels, stride=2, activation="relu")
    at = build.add("conv", at, out_channels=channels, activation="none")
    shortcut = build.add("pool", entry, kernel=2, stride=2)
    shortcut = build.add("conv", shortcut, out_channels=channels, kernel=1, activation="none")
    return build.add("add", shortcut, at)
