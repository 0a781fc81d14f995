"""Boards whose server may be killed and started again, on loopback or behind a cable."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from latkit.devices.sessions.session import BOOT_ID_FILE
from latkit.devices.transports import Ssh
from latkit.testing.boards.cable import Cable
from latkit.testing.boards.sshd import SSHD, Sshd
from latkit.testing.host import free_port, wait_for_port


class Board:
    """An sshd of its own, started and killed at will. `config` knows it as `board`.

    `boot`: a file with the board's boot id; other content means that the board was rebooted.
    """

    def __init__(
        self, sshd: Sshd, folder: Path, port: int, cable: Cable | None = None, boot: Path | None = None
    ) -> None:
        self.config = folder / "ssh_config"
        self._port, self._address = port, cable.address if cable else "127.0.0.1"
        self._folder = folder
        self._within = ["ip", "netns", "exec", cable.namespace] if cable else []
        if boot is not None:
            mount = f'mount --bind "$0" {BOOT_ID_FILE} && exec "$@"'
            self._within += ["unshare", "--mount", "sh", "-c", mount, str(boot)]
        self._process: subprocess.Popen[bytes] | None = None
        text = (sshd.folder / "sshd_config").read_text()
        (folder / "sshd_config").write_text(text.replace(f"127.0.0.1:{sshd.port}", f"{self._address}:{port}"))
        public = sshd.host_key.with_suffix(".pub").read_text()
        (folder / "known_hosts").write_text(f"[{self._address}]:{port} {public}")
        sshd.write_config(self.config, folder / "known_hosts", port=port)
        self.config.write_text(self.config.read_text().replace("HostName 127.0.0.1", f"HostName {self._address}"))

    def start(self) -> None:
        """Run the server. Raises NotServing."""
        log = self._folder / "log"
        with log.open("ab") as file:
            command = [*self._within, str(SSHD), "-D", "-e", "-f", str(self._folder / "sshd_config")]
            self._process = subprocess.Popen(command, stderr=file, stdin=subprocess.DEVNULL)
        wait_for_port(self._port, self._process, log, self._address)

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


@contextmanager
def board_with_shell(sshd: Sshd, folder: Path, shell: str, *options: str) -> Iterator[Ssh]:
    """A board whose login shell is that command, which finds the requested command in $SSH_ORIGINAL_COMMAND.

    `options`: further lines of the server's configuration.
    """
    board = Board(sshd, folder, free_port())
    with (folder / "sshd_config").open("a") as file:
        file.write("".join(f"{line}\n" for line in [f"ForceCommand {shell}", *options]))
    board.start()
    try:
        yield Ssh(host="board", config=str(board.config))
    finally:
        board.kill()
