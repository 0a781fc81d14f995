"""An SSH server that lies, on loopback and with throwaway keys. It runs no command."""

from __future__ import annotations

import io
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko

from benchmarks.fuzzing.hostile.agent import HONEST, Agent, Script
from benchmarks.fuzzing.hostile.shell import Shell

Talk = Callable[[socket.socket], None]
"""What is done with a connection in place of SSH."""
SEND_S = 2.0
LOG = "hostile"
"""The server's own log: paramiko's output while latkit is the client."""
logging.getLogger(LOG).addHandler(logging.NullHandler())
logging.getLogger(LOG).propagate = False
REPLY_S = 0.05
"""Until then paramiko has reported to the client that the command begins."""


class _Lets(paramiko.ServerInterface):  # type: ignore[misc]
    """Accepts every user, and passes commands on."""

    def __init__(self, run: Callable[[paramiko.Channel, str], None]) -> None:
        self._run = run

    def get_allowed_auths(self, _username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, _username: str, _key: paramiko.PKey) -> int:
        return int(paramiko.AUTH_SUCCESSFUL)

    def check_channel_request(self, _kind: str, _number: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        text = command.decode("utf-8", "replace")
        timer = threading.Timer(REPLY_S, self._run, (channel, text))
        timer.daemon = True
        timer.start()
        return True


class SshServer:
    """Serves every connection in threads; `config` is what an SSH client needs to connect, as `board`."""

    def __init__(self, folder: Path, shell: Shell, script: Script = HONEST, talk: Talk | None = None) -> None:
        self.shell, self._script, self._talk = shell, script, talk
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._key = paramiko.ECDSAKey.generate()
        port = self._listening.getsockname()[1]
        folder.mkdir(parents=True, exist_ok=True)
        client = folder / "id"
        paramiko.ECDSAKey.generate().write_private_key_file(str(client))
        known = folder / "known_hosts"
        known.write_text(f"[127.0.0.1]:{port} {self._key.get_name()} {self._key.get_base64()}\n")
        self.config = folder / "config"
        self.config.write_text(
            f"Host board\n HostName 127.0.0.1\n Port {port}\n User me\n IdentityFile {client}\n IdentitiesOnly yes\n"
            f" UserKnownHostsFile {known}\n GlobalKnownHostsFile /dev/null\n"
        )
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more connections."""
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException):
            if self._talk is not None:
                self._talk(connection)
                return
            transport = paramiko.Transport(connection)
            transport.set_log_channel(LOG)
            transport.add_server_key(self._key)
            transport.start_server(server=_Lets(self._run))

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException):
            out, err = self.shell.mark(command)
            channel.sendall(out)
            if err:
                channel.sendall_stderr(err)
            if self.shell.is_agent(command):
                self._be_agent(channel)
            elif (reply := self.shell.answer(command)) == b"for ever":
                while not channel.closed:
                    channel.sendall(b"x" * 32768)
            elif reply == b"never":
                while not channel.closed:
                    time.sleep(0.1)
            else:
                channel.sendall(reply)
            channel.send_exit_status(0)
        channel.close()

    def _be_agent(self, channel: paramiko.Channel) -> None:
        agent = Agent(self._script, lambda: channel.closed)
        for chunk in agent.conversation(_lines(channel)):
            channel.sendall(chunk)


def _lines(channel: paramiko.Channel) -> Iterator[bytes]:
    """The client's input, line by line."""
    rest = io.BytesIO()
    while chunk := channel.recv(65536):
        *lines, last = (rest.getvalue() + chunk).split(b"\n")
        rest = io.BytesIO()
        rest.write(last)
        yield from lines


@contextmanager
def ssh_server(folder: Path, shell: Shell, script: Script = HONEST, talk: Talk | None = None) -> Iterator[SshServer]:
    """A running server."""
    server = SshServer(folder, shell, script, talk)
    try:
        yield server
    finally:
        server.close()


def says(content: bytes, then: float = 0.0) -> Talk:
    """Send something that is not SSH, and hold the connection open for that many seconds."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(content)
        time.sleep(then)
        connection.close()

    return talk


def floods(chunk: bytes) -> Talk:
    """Send something forever."""

    def talk(connection: socket.socket) -> None:
        connection.settimeout(SEND_S)
        while True:
            connection.sendall(chunk)

    return talk
