"""Clusters: groups of cores of the same kind, as on phones: little, power-saving cores and big, fast ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from latkit.devices.device import Core

NAMES = {1: ("all",), 2: ("little", "big"), 3: ("little", "middle", "big")}
"""Cluster names by number of clusters, slowest first; more clusters are numbered."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Cores of one kind."""

    name: str
    cores: tuple[int, ...]
    max_khz: int | None


def clusters(cores: Iterable[Core]) -> list[Cluster]:
    """The cores grouped by the capacity and highest frequency that the kernel reports, the slowest first."""
    kinds: dict[tuple[int, int], list[Core]] = {}
    for core in cores:
        kinds.setdefault((core.capacity or 0, core.max_khz or 0), []).append(core)
    found = [kinds[kind] for kind in sorted(kinds)]
    names = NAMES.get(len(found)) or tuple(f"cluster{index}" for index in range(len(found)))
    return [
        Cluster(name, tuple(sorted(core.index for core in same)), same[0].max_khz)
        for name, same in zip(names, found, strict=True)
    ]
