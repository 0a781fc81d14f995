"""A fake SSH server for behavior that a real one cannot show. It runs nothing, and only records kill requests."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import paramiko

from latkit.devices.transports import Ssh
from latkit.testing.sockets import listening

START = "2 (sh) S " + " ".join(["0"] * 18) + " 4242 0"
"""The content of /proc/2/stat for a process that was started at 4242."""
REPLY_S = 0.05
"""Until then paramiko has reported to the client that the command begins."""
LOG = "latkit.testing.fake_ssh"
"""The server's own log: the one of paramiko is the client's."""

Behave = Callable[[paramiko.Channel, str], None]
"""What a command does; the channel is closed after it."""


class Acceptor(paramiko.ServerInterface):  # type: ignore[misc]  # untyped
    """Accepts every user, and gives each command to `behave`, in a thread of its own."""

    def __init__(self, behave: Behave) -> None:
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
        """Start a command."""
        timer = threading.Timer(REPLY_S, self._run, (channel, command.decode("utf-8", "replace")))
        timer.daemon = True
        timer.start()
        return True

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException), closing(channel):
            self._behave(channel, command)


class Recorder(Acceptor):
    """Records the commands that kill, in `kills`, and answers that they succeeded."""

    def __init__(self, behave: Behave) -> None:
        super().__init__(behave)
        self.kills: list[str] = []

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """Record a command that kills, or start another one."""
        text = command.decode()
        if "kill -9" not in text:
            return super().check_channel_exec_request(channel, command)
        self.kills.append(text)
        channel.send_exit_status(0)
        channel.close()
        return True


def mark(command: str) -> bytes:
    """The mark that a command must print before it begins."""
    found = re.search(r'([0-9a-f]{16})""([0-9a-f]{16})', command)
    assert found, command
    return (found[1] + found[2]).encode()


@contextmanager
def fake_ssh(folder: Path, acceptor: Acceptor) -> Iterator[Ssh]:
    """Run the server, with throwaway keys and a client's configuration in that folder; its address."""
    folder.mkdir(parents=True, exist_ok=True)
    key, client = paramiko.ECDSAKey.generate(), folder / "id"
    paramiko.ECDSAKey.generate().write_private_key_file(str(client))

    def handle(connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transport.set_log_channel(LOG)
        transport.add_server_key(key)
        with suppress(paramiko.SSHException):
            transport.start_server(server=acceptor)
            transport.join()

    log = logging.getLogger(LOG)
    log.propagate = False
    log.addHandler(logging.NullHandler())
    with listening(handle) as port:
        known, config = folder / "known_hosts", folder / "ssh_config"
        known.write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
        config.write_text(
            f"Host board\n HostName 127.0.0.1\n Port {port}\n User me\n IdentityFile {client}\n IdentitiesOnly yes\n"
            f" UserKnownHostsFile {known}\n GlobalKnownHostsFile /dev/null\n"
        )
        yield Ssh(host="board", config=str(config))
