"""The size of everything that latkit keeps on this machine between commands, and how it is reduced."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from latkit._io.cache import PARTS  # other folders there are the agent's of this machine: `latkit device remove`
from latkit.errors import UsageError

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


def cached_files(root: Path, parts: Iterable[str] = PARTS) -> list[CachedFile]:
    """The files of the cache, the one not used for longest first. Links are not followed."""
    found: list[CachedFile] = []
    for part in parts:
        for folder, _, names in os.walk(root / part):
            found += filter(None, (_cached(Path(folder) / name) for name in names))
    return sorted(found, key=lambda file: file.used_at)


def _cached(path: Path) -> CachedFile | None:
    """The file there; None if there is none, as another process may have removed it."""
    with suppress(OSError):
        info = path.lstat()
        if stat.S_ISREG(info.st_mode):
            return CachedFile(path, info.st_size, max(info.st_atime, info.st_mtime))
    return None


def parts_of(root: Path, files: Iterable[CachedFile]) -> list[Part]:
    """Number and size of the files of each part that has any."""
    by_part: dict[str, list[int]] = {}
    for file in files:
        by_part.setdefault(file.path.relative_to(root).parts[0], []).append(file.size)
    return [Part(name, len(sizes), sum(sizes)) for name, sizes in sorted(by_part.items())]


def clear_cache(
    root: Path, limit: int, used_since: float = float("inf"), parts: Iterable[str] = PARTS
) -> Sequence[CachedFile]:
    """Remove the files that were not used for longest, until the others take `limit` bytes at most; those removed.

    `used_since`: files used after this moment, in seconds since 1970, are kept in any case.
    """
    files, removed = cached_files(root, parts), []
    left = sum(file.size for file in files)
    for file in files:
        if left <= limit:
            break
        now = _cached(file.path)
        if now is not None and now.used_at >= used_since:
            continue
        with suppress(FileNotFoundError):
            file.path.unlink()
        left -= file.size
        removed.append(file)
    return removed


def size_text(size: int) -> str:
    """`12.3 MB`."""
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def parse_size(text: str, what: str = "") -> int:
    """Bytes of `500MB`, `2GB` or `1000`. `what` has that size, for the error. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,3})?)\s*([KMG]?)B?", text.strip().upper())
    unit = UNITS.get(found[2]) if found else None
    if found is None or unit is None:
        of = f" as {what}" if what else ""
        raise UsageError(f"expected a size such as 500MB or 2GB{of}, but found {text!r}")
    return int(float(found[1]) * unit)
