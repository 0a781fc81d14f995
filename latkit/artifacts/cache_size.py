"""The size of everything that latkit keeps on this machine between commands, and how it is reduced."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from latkit.artifacts.cache import default_folder
from latkit.errors import UsageError

PARTS = ("artifacts", "artefacts", "bundles", "modules")
"""Folders of the cache. Others in `~/.cache/latkit` belong to the agent of this machine: `latkit device remove`."""

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A file of the cache."""

    path: Path
    size: int
    """Bytes."""
    used_at: float
    """When it was read or written last, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Part:
    """A folder of the cache."""

    name: str
    files: int
    size: int
    """Bytes."""


def cache_root() -> Path:
    """The folder that LATKIT_CACHE names, or `~/.cache/latkit`."""
    return default_folder().parent


def cached_files(root: Path) -> list[CachedFile]:
    """The files of the cache, the one not used for longest first. Links are not followed."""
    found = []
    for part in PARTS:
        for folder, _, names in os.walk(root / part):
            for name in names:
                path = Path(folder) / name
                with suppress(OSError):  # another process may have removed it
                    info = path.lstat()
                    if stat.S_ISREG(info.st_mode):
                        found.append(CachedFile(path, info.st_size, max(info.st_atime, info.st_mtime)))
    return sorted(found, key=lambda file: file.used_at)


def parts_of(root: Path, files: Iterable[CachedFile]) -> list[Part]:
    """Number and size of the files of each part that has any."""
    by_part: dict[str, list[int]] = {}
    for file in files:
        by_part.setdefault(file.path.relative_to(root).parts[0], []).append(file.size)
    return [Part(name, len(sizes), sum(sizes)) for name, sizes in sorted(by_part.items())]


def clear_cache(root: Path, limit: int) -> Sequence[CachedFile]:
    """Remove the files that were not used for longest, until the others take `limit` bytes at most; those removed."""
    files, removed = cached_files(root), []
    left = sum(file.size for file in files)
    for file in files:
        if left <= limit:
            break
        with suppress(FileNotFoundError):
            file.path.unlink()
        left -= file.size
        removed.append(file)
    return removed


def parse_size(text: str) -> int:
    """Bytes of `500MB`, `2GB` or `1000`. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,3})?)\s*([KMG]?)B?", text.strip().upper())
    unit = UNITS.get(found[2]) if found else None
    if found is None or unit is None:
        raise UsageError(f"expected a size such as 500MB or 2GB, but found {text!r}")
    return int(float(found[1]) * unit)
