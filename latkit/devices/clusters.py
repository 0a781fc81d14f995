"""Clusters: cores of the same kind, as phones have them: some little and thrifty, some big and fast."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from latkit.devices.device import Core

NAMES = {1: ("all",), 2: ("little", "big"), 3: ("little", "middle", "big")}
"""By how many clusters there are, slowest first; more of them are numbered."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Cores of one kind."""

    name: str
    cores: tuple[int, ...]
    max_khz: int | None


def clusters(cores: Iterable[Core]) -> list[Cluster]:
    """The cores by what the kernel tells of their capacity and highest frequency, the slowest first."""
    kinds: dict[tuple[int, int], list[Core]] = {}
    for core in cores:
        kinds.setdefault((core.capacity or 0, core.max_khz or 0), []).append(core)
    found = [kinds[kind] for kind in sorted(kinds)]
    names = NAMES.get(len(found)) or tuple(f"cluster{index}" for index in range(len(found)))
    return [
        Cluster(name, tuple(sorted(core.index for core in same)), same[0].max_khz)
        for name, same in zip(names, found, strict=True)
    ]
