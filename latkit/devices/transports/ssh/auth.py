"""Authentication with an SSH server: by the keys of the configuration, then those of ssh-agent."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import paramiko

from latkit.devices.transports.faults import faults_as
from latkit.devices.transports.ssh.config import Host
from latkit.errors import DeviceError, LatkitError, Unreachable

REQUEST_KEYS = b"\0\0\0\1\x0b"
HEADER = struct.Struct(">IBI")
"""Header of the agent's answer: its length, its kind and the number of keys."""
KEYS_ANSWER = 12
MAX_ANSWER_BYTES = 2**18
"""As in OpenSSH."""
MIN_KEY_BYTES = 8
MAX_SHOWN = 4
"""Maximum number of tried keys that a message names."""


def authenticate(transport: paramiko.Transport, host: Host) -> None:
    """Try the keys of the configuration, then those of ssh-agent. Raises Unreachable, which names what was tried."""
    tried: list[str] = []
    shown = 0
    with contextlib.closing(_Agent(host.timeout_s if host.agent_keys else 0)) as agent:
        for name, key in _keys(host, agent, tried):
            if not transport.is_active():
                raise _broken_off(host, shown)
            shown += 1
            try:
                further = transport.auth_publickey(host.user, key)
                if not further:
                    return
                tried.append(f"{name} accepted, but the server also wants {', '.join(further)}")
            except paramiko.BadAuthenticationType as error:
                allowed = ", ".join(error.allowed_types)
                raise Unreachable(
                    f"{host.address}: expected a server that takes keys, but it takes {allowed}"
                ) from error
            except paramiko.AuthenticationException:
                tried.append(f"{name} refused")
            except paramiko.SSHException:
                if transport.is_active():
                    raise
        if shown and not transport.is_active():
            raise _broken_off(host, shown)
    raise Unreachable(
        f"{host.address}: the server does not let {host.user} in ({_listed(tried) or 'there is no key to show'}); "
        f"add your key there with: ssh-copy-id -p {host.port} {host.user}@{host.hostname}"
    )


def _broken_off(host: Host, shown: int) -> Unreachable:
    keys = "key" if shown == 1 else "keys"
    if shown < 3:  # no server limits the number of attempts this strictly
        return Unreachable(f"{host.address}: the server broke off the login as {host.user} after {shown} {keys}")
    return Unreachable(
        f"{host.address}: the server broke off the login after {shown} keys (too many authentication failures): name "
        f"the one for it in the SSH configuration, for Host {host.address.host}: IdentityFile PATH and "
        "IdentitiesOnly yes"
    )


def _key(path: Path) -> paramiko.PKey | None:
    """The private key of a file; None if it requires a passphrase."""
    try:
        return paramiko.PKey.from_path(path)
    except (paramiko.PasswordRequiredException, TypeError):
        return None


def _listed(tried: list[str]) -> str:
    more = [f"and {len(tried) - MAX_SHOWN} more"] if len(tried) > MAX_SHOWN else []
    return "; ".join([*tried[:MAX_SHOWN], *more])


class _Agent:
    """The keys of a running ssh-agent, if it answers in time: paramiko itself would wait for a silent one."""

    def __init__(self, timeout_s: float) -> None:
        self.keys: tuple[paramiko.AgentKey, ...] = ()
        self.trouble = ""
        self._agent: paramiko.Agent | None = None
        place = os.environ.get("SSH_AUTH_SOCK")
        if timeout_s <= 0 or not place:
            return
        try:
            with faults_as(DeviceError):
                _check_answers(place, timeout_s)
                self._agent = paramiko.Agent()
                self.keys = self._agent.get_keys()
        except LatkitError as error:
            self.trouble = f"ssh-agent cannot be asked: {error}"

    def close(self) -> None:
        """Close the connection to the agent."""
        if self._agent is not None:
            self._agent.close()


def _check_answers(place: str, timeout_s: float) -> None:
    """Raise OSError or ValueError if no agent at that socket lists its keys."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout_s)
        sock.connect(place)
        sock.sendall(REQUEST_KEYS)
        header = sock.recv(HEADER.size, socket.MSG_WAITALL)
    length, kind, count = HEADER.unpack(header) if len(header) == HEADER.size else (0, 0, 0)
    # paramiko reads as many keys as the agent claims
    if kind != KEYS_ANSWER or length > MAX_ANSWER_BYTES or count * MIN_KEY_BYTES > length:
        raise ValueError(f"expected its keys, but found {header!r}")


def _keys(host: Host, agent: _Agent, tried: list[str]) -> Iterator[tuple[str, paramiko.PKey]]:
    for path in host.keys:
        try:
            with faults_as(DeviceError):
                key = _key(path)
        except DeviceError as error:
            tried.append(f"{path} cannot be read: {error}")
            continue
        if key is None:
            tried.append(f"{path} has a passphrase: ssh-add it")
        else:
            yield str(path), key
    if agent.trouble:
        tried.append(agent.trouble)
    for key in agent.keys:
        yield f"ssh-agent's {key.comment or key.get_name()}", key
