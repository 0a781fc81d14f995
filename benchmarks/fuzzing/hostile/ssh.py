"""An SSH server whose shell and agent lie. It runs no command."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import paramiko

from benchmarks.fuzzing.hostile.agent import HONEST, Agent, Script
from benchmarks.fuzzing.hostile.shell import Shell
from latkit.devices import Ssh
from latkit.testing.boards.fake_ssh import Acceptor, fake_ssh


def ssh_server(folder: Path, shell: Shell, script: Script = HONEST) -> AbstractContextManager[Ssh]:
    """A running server, of which each command is answered by the shell or is the agent; its address."""

    def behave(channel: paramiko.Channel, command: str) -> None:
        out, err = shell.mark(command)
        channel.sendall(out)
        if err:
            channel.sendall_stderr(err)
        if shell.is_agent(command):
            _be_agent(channel, script)
        elif (reply := shell.answer(command)) == b"for ever":
            while not channel.closed:
                channel.sendall(b"x" * 32768)
        elif reply == b"never":
            while not channel.closed:
                time.sleep(0.1)
        else:
            channel.sendall(reply)
        channel.send_exit_status(0)

    return fake_ssh(folder, Acceptor(behave))


def _be_agent(channel: paramiko.Channel, script: Script) -> None:
    agent = Agent(script, lambda: bool(channel.closed))
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
