"""The real adbd, on this machine's own file system or on a phone's, reached on loopback only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from latkit.testing.host import NotServing, Unavailable, free_port, wait_for_port
from latkit.testing.phone.packages import native_programs


@dataclass(frozen=True)
class Daemon:
    """A running adbd."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def address(self) -> str:
        """As an argument of `--adb`."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def adbd(folder: Path, within: Sequence[str] = (), place: str = "") -> Iterator[Daemon]:
    """Run adbd, by `within` if it has a root of its own, where its files are at `place`. Raises Unavailable."""
    files, shim = native_programs(), loopback(folder)
    libraries, port = f"{place or files}/usr/lib/x86_64-linux-gnu", free_port()
    command = [
        *within,
        f"{libraries}/ld-linux-x86-64.so.2",
        "--library-path",
        f"{libraries}:{libraries}/android",
        "--preload",
        f"/{shim.name}" if place else str(shim),
        f"{place or files}/usr/lib/android-sdk/platform-tools/adbd",
    ]
    log = folder / "adbd.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            env={**os.environ, "ADBD_PORT": str(port)},
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
        )
    try:
        _wait(process, port, log)
        yield Daemon(process, port, log)
    finally:
        # a process that changes its user no longer dies with its parent, as unshare requires
        for pid in children(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait(10)


def children(pid: int) -> list[int]:
    """The processes that this one has started. The first of a process namespace ends all others with it."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def loopback(folder: Path) -> Path:
    """The library that keeps adbd on loopback, built. Raises Unavailable."""
    if not shutil.which("gcc"):
        raise Unavailable("gcc is missing: apt-get install gcc")
    shim = folder / "loopback.so"
    if not shim.exists():
        source = Path(__file__).with_name("loopback.c")
        command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(shim), str(source)]
        subprocess.run(command, check=True, timeout=60)
    return shim


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    try:
        wait_for_port(port, process, log)
    except NotServing as error:
        raise Unavailable(f"adbd does not run here: {error}") from None
