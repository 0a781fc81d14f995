"""Cores: notations for sets of cores, their clusters, and which of a device's cores may be pinned to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from latkit.devices.device import Core, Device
from latkit.errors import UsageError
from latkit.targets import Target

UNPINNED = "unpinned"
"""In place of cores: the threads may move between all of them."""

BIG, LITTLE = "big", "little"
"""In place of cores: the fastest cluster, and the slowest."""

_MASK = re.compile(r"0x[0-9a-f]{1,256}", re.ASCII | re.IGNORECASE)
_CORES = re.compile(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*", re.ASCII)

CLUSTER_NAMES = {1: ("all",), 2: ("little", "big"), 3: ("little", "middle", "big")}
"""Names of clusters, the groups of cores of one kind, by their number, slowest first; more clusters are numbered."""


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
    names = CLUSTER_NAMES.get(len(found)) or tuple(f"cluster{index}" for index in range(len(found)))
    return [
        Cluster(name, tuple(sorted(core.index for core in same)), same[0].max_khz)
        for name, same in zip(names, found, strict=True)
    ]


def parse_cores(text: str) -> tuple[int, ...]:
    """Core numbers from `0`, `0-3`, `0,2` or a mask such as `0xF0`; none for `unpinned`. Raises UsageError."""
    if text == UNPINNED:
        return ()
    if _MASK.fullmatch(text) and int(text, 16):
        return tuple(core for core in range(int(text, 16).bit_length()) if int(text, 16) >> core & 1)
    if not _CORES.fullmatch(text):
        raise UsageError(
            f"expected cores such as 0, 0-3 or 0,2, a mask such as 0xF0, big or little, but found {text!r}"
        )
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if int(last or first) < int(first):
            raise UsageError(f"expected cores from the lower to the higher, but found {part!r}")
        found.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))


def cores_of(device: Device, text: str) -> tuple[int, ...]:
    """As parse_cores, and for `big` and `little` that cluster of the device: the cores of highest or lowest capacity.

    Raises UsageError, also if the device has only one kind of core.
    """
    if text not in (BIG, LITTLE):
        return parse_cores(text)
    kinds = clusters(device.facts.cores)
    if len(kinds) == 1:
        raise UsageError(f"{device.name} has cores of one kind only, so that none of them are {text}; name them: 0-3")
    return kinds[-1 if text == BIG else 0].cores


def ranges(cores: Iterable[int]) -> str:
    """Core numbers in short notation: `0-3,6`."""
    parts: list[list[int]] = []
    for core in sorted(cores):
        if parts and core == parts[-1][-1] + 1:
            parts[-1].append(core)
        else:
            parts.append([core])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)


def check_cores(device: Device, target: Target, cores: tuple[int, ...]) -> None:
    """Raise UsageError if the device lacks one of these cores, or they are fewer than the target's threads."""
    present = [core.index for core in device.facts.cores]
    missing = sorted(set(cores) - set(present))
    if missing:
        raise UsageError(f"{device.name} has the cores {ranges(present)}, and cannot be pinned to {ranges(missing)}")
    if cores and len(cores) < target.threads:
        raise UsageError(f"{target} asks for {target.threads} threads, but is to be pinned to core {ranges(cores)}")


def check_inherited(device: Device, target: Target, allowed: tuple[int, ...]) -> None:
    """Raise UsageError if taskset or a cpuset leaves the agent fewer cores than the target has threads.

    If threads share a core, the result is not the target's latency. `allowed`: the cores that the agent may run on.
    """
    if len(allowed) < target.threads:
        raise UsageError(
            f"{target} asks for {target.threads} threads, but on {device.name} the agent may only use core "
            f"{ranges(allowed)} (by taskset, a cpuset or a container?); allow it more, or measure fewer threads"
        )
