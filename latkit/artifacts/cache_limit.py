"""The limit of the cache: what was not used for longest is removed, but nothing that a running process has used.

A process that uses the cache keeps a file in `users/` locked while it lives; the file's time is that of its first use.
The kernel drops the lock when the process ends, however it ends. A file of the cache is touched whenever it is used. So
every file used since the oldest living user began is kept. Finding a file and removing files exclude each other.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from latkit._io import make_folder
from latkit._io.cache import PARTS, USERS
from latkit.artifacts.cache_size import CachedFile, cached_files, clear_cache, parse_size, size_text
from latkit.errors import LatkitError
from latkit.progress import OnMessage, ignore

VARIABLE = "LATKIT_CACHE_LIMIT"
DEFAULT_LIMIT = "10GB"
LOCK = ".lock"
TRIMMED_PARTS = ("artifacts", "artefacts")
"""The agents' bundles are few, and are downloaded: only `latkit cache clear` removes them."""
SECONDS_BETWEEN_CHECKS = 60.0

_registered: dict[Path, int] = {}
"""Handles of the locked files of this process, by the cache."""
_registering = threading.Lock()


def cache_limit(environment: Mapping[str, str] = os.environ) -> int | None:
    """Bytes that the cache may take, by LATKIT_CACHE_LIMIT; None for `none`. Raises UsageError."""
    text = environment.get(VARIABLE) or DEFAULT_LIMIT
    return None if text.strip().lower() == "none" else parse_size(text, VARIABLE)


def register(root: Path) -> None:
    """Note that this process uses the cache, until it ends. Where that cannot be written, the cache is only read."""
    with _registering, suppress(LatkitError, OSError):
        if root in _registered:
            return
        with finding(root):
            path = root / USERS / f"{os.getpid()}-{secrets.token_hex(4)}"
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)
            _registered[root] = handle


@contextmanager
def finding(root: Path) -> Iterator[None]:
    """Nothing is removed from the cache meanwhile. Where no lock can be made, nothing can be removed either."""
    with _lock(root, fcntl.LOCK_SH):
        yield


@contextmanager
def _lock(root: Path, kind: int) -> Iterator[bool]:
    """Lock the cache; false where that is not possible."""
    handle = -1
    with suppress(LatkitError, OSError):
        make_folder(root / USERS)
        handle = os.open(root / USERS / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if handle >= 0:
            fcntl.flock(handle, kind)
        yield handle >= 0
    finally:
        if handle >= 0:
            os.close(handle)


def used_since(root: Path) -> float:
    """When the oldest living user of the cache began, in seconds since 1970; infinite without one.

    The files of users that have ended are removed.
    """
    begun = [float("inf")]
    for path in list((root / USERS).glob("[!.]*")):
        with suppress(OSError):
            handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
            except BlockingIOError:
                begun.append(os.fstat(handle).st_mtime)
            finally:
                os.close(handle)
    return min(begun)


def remove_unused(root: Path, limit: int, parts: Sequence[str] = PARTS) -> list[CachedFile]:
    """Remove what was not used for longest, but nothing that a living process has used; what was removed."""
    with _lock(root, fcntl.LOCK_EX) as locked:
        return list(clear_cache(root, limit, used_since(root), parts)) if locked else []


@dataclass(slots=True)
class CacheTrimmer:
    """Keeps the cache within its limit, while a process fills it."""

    root: Path
    limit: int | None
    on_message: OnMessage = ignore
    _checked_at: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, root: Path, on_message: OnMessage = ignore) -> CacheTrimmer:
        """The keeper of a cache that this process uses from now on. Raises UsageError for a limit that is none."""
        limit = cache_limit()
        register(root)
        return cls(root, limit, on_message)

    def check(self) -> list[CachedFile]:
        """Remove what is beyond the limit, at most once a minute; reports and returns what was removed."""
        if self.limit is None or not self._lock.acquire(blocking=False):
            return []
        try:
            if time.monotonic() - self._checked_at < SECONDS_BETWEEN_CHECKS:
                return []
            self._checked_at = time.monotonic()
            removed = self._trim(self.limit)
        except OSError:  # a cache of another user
            return []
        finally:
            self._lock.release()
        return removed

    def _trim(self, limit: int) -> list[CachedFile]:
        files = cached_files(self.root, TRIMMED_PARTS)
        if sum(file.size for file in files) <= limit:
            return []
        removed = remove_unused(self.root, limit, TRIMMED_PARTS)
        freed = size_text(sum(file.size for file in removed))
        if removed:
            self.on_message(
                f"cache: removed what was not used for longest ({freed}, files: {len(removed)}) to stay within "
                f"{size_text(limit)}; another limit: {VARIABLE}=20GB"
            )
        return removed
