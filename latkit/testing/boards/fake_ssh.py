"""A fake SSH server for behavior that a real one cannot show. It runs nothing, and only records kill requests."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko

from latkit.devices.transports import Ssh

START = "2 (sh) S " + " ".join(["0"] * 18) + " 4242 0"
"""The content of /proc/2/stat for a process that was started at 4242."""


class Recorder(paramiko.ServerInterface):  # type: ignore[misc]  # untyped
    """Accepts every user, and gives each command to `behave`, except those that kill."""

    def __init__(self, behave: Callable[[paramiko.Channel, str], None]) -> None:
        self.kills: list[str] = []
        self._behave = behave

    def check_auth_publickey(self, _username: str, _key: paramiko.PKey) -> int:
        """Accept any key."""
        return int(paramiko.AUTH_SUCCESSFUL)

    def get_allowed_auths(self, _username: str) -> str:
        """Keys only."""
        return "publickey"

    def check_channel_request(self, _kind: str, _number: int) -> int:
        """Accept any channel."""
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """Pass a command on in a thread, or record that it kills."""
        text = command.decode()
        if "kill -9" in text:
            self.kills.append(text)
            channel.send_exit_status(0)
            channel.close()
        else:
            threading.Thread(target=self._run, args=(channel, text), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        with suppress(OSError, EOFError):
            self._behave(channel, command)


def mark(command: str) -> bytes:
    """The mark that a command must print before it begins."""
    found = re.search(r'([0-9a-f]{16})""([0-9a-f]{16})', command)
    assert found, command
    return (found[1] + found[2]).encode()


@contextmanager
def fake_ssh(folder: Path, recorder: Recorder) -> Iterator[Ssh]:
    """Run the server; its address."""
    key = paramiko.ECDSAKey.generate()
    ours = paramiko.ECDSAKey.generate()
    ours.write_private_key_file(str(folder / "key"))
    transports: list[paramiko.Transport] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (folder / "known").write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
        (folder / "config").write_text(
            f"Host board\n HostName 127.0.0.1\n Port {port}\n User nobody\n IdentityFile {folder}/key\n"
            f" IdentitiesOnly yes\n UserKnownHostsFile {folder}/known\n GlobalKnownHostsFile /dev/null\n"
        )
        accepting = threading.Thread(target=_accept, args=(server, key, recorder, transports))
        accepting.start()
        try:
            yield Ssh(host="board", config=str(folder / "config"))
        finally:
            server.shutdown(socket.SHUT_RDWR)
            accepting.join(10)
            for transport in transports:
                transport.close()


def _accept(
    server: socket.socket, key: paramiko.PKey, recorder: Recorder, transports: list[paramiko.Transport]
) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        transport = paramiko.Transport(connection)
        transport.add_server_key(key)
        transports.append(transport)
        with suppress(paramiko.SSHException, EOFError):
            transport.start_server(server=recorder)
