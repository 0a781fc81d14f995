"""Boards for the tests of faults: servers that may be killed, and one behind a cable that may be pulled."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from latkit.devices.sessions.session import BOOT_ID_FILE
from latkit.devices.transports import Ssh
from tests.conftest import SSHD, Sshd, free_port, wait_for

NETWORK = f"198.{18 + os.getpid() // 256 % 2}.{os.getpid() % 256}"
"""From the addresses reserved for tests of networks; another process takes others."""


class Board:
    """An sshd of its own, started and killed at will. `config` knows it as `board`.

    `boot`: a file with the board's boot id; other content means that the board was rebooted.
    """

    def __init__(
        self,
        sshd: Sshd,
        folder: Path,
        port: int,
        address: str,
        namespace: str | None = None,
        boot: Path | None = None,
    ) -> None:
        self.config = folder / "ssh_config"
        self._port, self._address = port, address
        self._folder = folder
        self._within = ["ip", "netns", "exec", namespace] if namespace else []
        if boot is not None:
            mount = f'mount --bind "$0" {BOOT_ID_FILE} && exec "$@"'
            self._within += ["unshare", "--mount", "sh", "-c", mount, str(boot)]
        self._process: subprocess.Popen[bytes] | None = None
        text = (sshd.folder / "sshd_config").read_text()
        (folder / "sshd_config").write_text(text.replace(f"127.0.0.1:{sshd.port}", f"{address}:{port}"))
        public = sshd.host_key.with_suffix(".pub").read_text()
        (folder / "known_hosts").write_text(f"[{address}]:{port} {public}")
        sshd.write_config(self.config, folder / "known_hosts", port=port)
        self.config.write_text(self.config.read_text().replace("HostName 127.0.0.1", f"HostName {address}"))

    def start(self) -> None:
        log = self._folder / "log"
        with log.open("ab") as file:
            command = [*self._within, str(SSHD), "-D", "-e", "-f", str(self._folder / "sshd_config")]
            self._process = subprocess.Popen(command, stderr=file, stdin=subprocess.DEVNULL)
        wait_for(self._port, self._process, log, self._address)

    def drop(self) -> None:
        """End every connection, and leave the server running."""
        if self._process is not None:
            for pid in _servers_below(self._process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)

    def kill(self) -> None:
        """End the server and every connection; processes on the board must notice by themselves."""
        process, self._process = self._process, None
        if process is not None:
            for pid in [process.pid, *_servers_below(process.pid)]:
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)
            process.wait(10)


def _servers_below(pid: int) -> list[int]:
    """The processes of sshd that this one has started, and theirs."""
    found = []
    with suppress(OSError):
        for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if b"sshd" in Path(f"/proc/{word}/cmdline").read_bytes().split(b"\0")[0]:
                found += [int(word), *_servers_below(int(word))]
    return found


class Cable:
    """A veth pair between this machine and a network namespace, in which a board stands at `address`."""

    def __init__(self) -> None:
        self.namespace = f"latkit{os.getpid()}"
        self.address = f"{NETWORK}.2"
        self._ours, self._theirs = f"lk{os.getpid()}a", f"lk{os.getpid()}b"

    def lay(self) -> None:
        """Make both. Raises CalledProcessError if that is not allowed."""
        there = ["-n", self.namespace]
        _ip("netns", "add", self.namespace)
        _ip("link", "add", self._ours, "type", "veth", "peer", "name", self._theirs, "netns", self.namespace)
        _ip("address", "add", f"{NETWORK}.1/30", "dev", self._ours)
        _ip("link", "set", self._ours, "up")
        _ip(*there, "address", "add", f"{self.address}/30", "dev", self._theirs)
        _ip(*there, "link", "set", "lo", "up")
        self.plug()

    def pull(self) -> None:
        _ip("-n", self.namespace, "link", "set", self._theirs, "down")

    def plug(self) -> None:
        _ip("-n", self.namespace, "link", "set", self._theirs, "up")

    def remove(self) -> None:
        with suppress(subprocess.CalledProcessError):
            _ip("link", "delete", self._ours)
        with suppress(subprocess.CalledProcessError):
            _ip("netns", "delete", self.namespace)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=10)


@contextmanager
def cabled() -> Iterator[Cable]:
    """A cable, or a skip with the reason why there is none."""
    cable = Cable()
    try:
        try:
            cable.lay()
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            reason = error.stderr.decode().strip() if isinstance(error, subprocess.CalledProcessError) else error
            pytest.skip(f"a network namespace is needed for a second board: {reason}")
        yield cable
    finally:
        cable.remove()


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """A file system of that many bytes mounted there, or a skip with the reason why it cannot be."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "latkit-tests", str(folder)]
    done = subprocess.run(mount, check=False, capture_output=True, timeout=10)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=10)


def enlarge(disk: Path) -> None:
    """Make room on a small disk."""
    subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True, timeout=10)


@contextmanager
def board_with_shell(sshd: Sshd, folder: Path, shell: str, *options: str) -> Iterator[Ssh]:
    """A board whose login shell is that command, which finds the requested command in $SSH_ORIGINAL_COMMAND.

    `options`: further lines of the server's configuration.
    """
    board = Board(sshd, folder, free_port(), "127.0.0.1")
    with (folder / "sshd_config").open("a") as file:
        file.write("".join(f"{line}\n" for line in [f"ForceCommand {shell}", *options]))
    board.start()
    try:
        yield Ssh(host="board", config=str(board.config))
    finally:
        board.kill()
