"""Connecting by SSH: the TCP socket or the jumps, the host's key, and ours."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import paramiko

from latkit.devices.transports.known_hosts import key_types, known_keys, verify
from latkit.devices.transports.sockets import DEAD_S, notice_death
from latkit.devices.transports.ssh_config import Host, resolve
from latkit.devices.transports.way import Ssh
from latkit.errors import Unreachable, UsageError

MOST_JUMPS = 8


def connect_all(way: Ssh, timeout_s: float, depth: int = 0) -> list[paramiko.Transport]:
    """Connections to every jump host in order, and last to the host itself. Raises Unreachable, HostKeyError."""
    host = resolve(way, timeout_s)
    if depth > MOST_JUMPS:
        raise UsageError(f"{way}: the ProxyJump of the SSH configuration goes in a circle")
    transports: list[paramiko.Transport] = []
    try:
        for jump in host.jumps:
            transports += _next(jump, transports, timeout_s, depth)
        transports.append(_login(host, transports))
    except BaseException:
        close_all(transports)
        raise
    return transports


def close_all(transports: list[paramiko.Transport]) -> None:
    """Close, the innermost first. Never raises."""
    for transport in reversed(transports):
        with contextlib.suppress(Exception):  # paramiko passes on whatever its thread met
            transport.close()


def _next(jump: Ssh, before: list[paramiko.Transport], timeout_s: float, depth: int) -> list[paramiko.Transport]:
    """Connections to a jump host: by its own jumps if it is the first, as OpenSSH does, else by the one before it."""
    if not before:
        return connect_all(jump, timeout_s, depth + 1)
    return [_login(resolve(jump, timeout_s), before)]


def _login(host: Host, before: list[paramiko.Transport]) -> paramiko.Transport:
    sock = _through(before[-1], host) if before else _dial(host)
    transport = None
    try:
        transport = paramiko.Transport(sock)
        known = known_keys(host)
        options = transport.get_security_options()
        options.key_types = key_types(known, options.key_types)
        transport.banner_timeout = transport.auth_timeout = transport.channel_timeout = host.timeout_s
        transport.start_client(timeout=host.timeout_s)
        verify(host, transport.get_remote_server_key(), known)
        _authenticate(transport, host)
        transport.set_keepalive(DEAD_S)
    except (paramiko.SSHException, OSError, EOFError) as error:
        _give_up(transport, sock)
        raise Unreachable(f"{host.known_as}: expected an SSH server, but found none that speaks: {error}") from error
    except BaseException:
        _give_up(transport, sock)
        raise
    return transport


def _give_up(transport: paramiko.Transport | None, sock: socket.socket | paramiko.Channel) -> None:
    if transport is not None:
        close_all([transport])
    sock.close()


def _dial(host: Host) -> socket.socket:
    try:
        sock = socket.create_connection((host.hostname, host.port), host.timeout_s)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"{host.way}: cannot connect to {host.hostname} port {host.port}: {error}") from error
    notice_death(sock)  # SSH's own keep-alive does not mind an answer that never comes
    return sock


def _through(jump: paramiko.Transport, host: Host) -> paramiko.Channel:
    try:
        channel = jump.open_channel(
            "direct-tcpip", (host.hostname, host.port), ("127.0.0.1", 0), timeout=host.timeout_s
        )
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise Unreachable(
            f"{host.way}: the jump host does not get through to {host.hostname} port {host.port}: {error}"
        ) from error
    return channel


def _authenticate(transport: paramiko.Transport, host: Host) -> None:
    """Try the keys of the configuration, then those of ssh-agent. Raises Unreachable naming what was tried."""
    tried: list[str] = []
    with contextlib.closing(paramiko.Agent()) as agent:
        for name, key in _keys(host, agent, tried):
            try:
                if not transport.auth_publickey(host.user, key):
                    return
            except paramiko.BadAuthenticationType as error:
                raise Unreachable(f"{host.way}: the server takes no keys, only {error.allowed_types}") from error
            except paramiko.AuthenticationException:
                tried.append(f"{name} refused")
    raise Unreachable(
        f"{host.way}: the server does not let {host.user} in ({'; '.join(tried) or 'there is no key to show'}); "
        f"add your key there with: ssh-copy-id -p {host.port} {host.user}@{host.hostname}"
    )


def _keys(host: Host, agent: paramiko.Agent, tried: list[str]) -> Iterator[tuple[str, paramiko.PKey]]:
    for path in host.keys:
        try:
            yield str(path), paramiko.PKey.from_path(path)
        except (paramiko.PasswordRequiredException, TypeError):
            tried.append(f"{path} has a passphrase: ssh-add it")
        except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, OSError, ValueError) as error:
            tried.append(f"{path} cannot be read: {error}")
    if host.agent_keys:
        for key in agent.get_keys():
            yield f"ssh-agent's {key.comment or key.get_name()}", key
