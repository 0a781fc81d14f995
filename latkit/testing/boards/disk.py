"""Small disks, for the tests of full ones. Needs root."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latkit.testing.host import Unavailable


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """A file system of that many bytes mounted there. Raises Unavailable where mounting is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "latkit-tests", str(folder)]
    done = subprocess.run(mount, check=False, capture_output=True, timeout=10)
    if done.returncode:
        raise Unavailable(f"a small disk cannot be mounted: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=10)


def enlarge(disk: Path) -> None:
    """Make room on a small disk."""
    subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True, timeout=10)
