"""Hashes of files on a device, by which latkit recognizes what it put there, and whether it is unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from latkit.devices.transports import Transport

HASH_S = 300.0
MAX_COMMAND_CHARS = 3000
"""Maximum length of file names in one command: old phones accept no more than 4096 bytes."""


def hashes_of(transport: Transport, paths: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of each of those files that exists, in hex; empty if the device has no sha256sum."""
    found: dict[str, str] = {}
    for batch in batches(paths):
        output = transport.run(["sha256sum", *batch], HASH_S).stdout.decode(errors="replace")
        for line in output.splitlines():
            sha256, _, path = line.partition(" ")
            found[path.lstrip(" *")] = sha256
    return found


def unchanged(transport: Transport, folder: str, expected: Mapping[str, str]) -> list[str]:
    """The names in a folder whose file has the expected SHA-256, or one that begins with it."""
    hashes = hashes_of(transport, [f"{folder}/{name}" for name in expected])
    return [
        name for name, sha256 in expected.items() if sha256 and hashes.get(f"{folder}/{name}", "").startswith(sha256)
    ]


def batches(paths: Iterable[str]) -> Iterator[list[str]]:
    """The paths in lists that each fit into one command."""
    batch: list[str] = []
    for path in paths:
        if batch and sum(len(one) + 1 for one in batch) + len(path) > MAX_COMMAND_CHARS:
            yield batch
            batch = []
        batch.append(path)
    if batch:
        yield batch
