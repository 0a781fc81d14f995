"""Connects by SSH: the TCP socket or the jumps, the host's key, and the user's keys."""

from __future__ import annotations

import contextlib
import logging
import socket

import paramiko
from paramiko.packet import Packetizer

from latkit.devices.transports.faults import faults_as
from latkit.devices.transports.sockets import DEAD_S, notice_death
from latkit.devices.transports.ssh.address import Ssh
from latkit.devices.transports.ssh.auth import authenticate
from latkit.devices.transports.ssh.config import MAX_JUMPS, Host, resolve
from latkit.devices.transports.ssh.known_hosts import key_types, known_keys, verify
from latkit.errors import Unreachable, UsageError

BANNER_MARGIN_S = 5.0
"""The handshake's own deadline comes first: its message names the time."""
MAX_PACKET_BYTES = 2**18
"""As in OpenSSH; paramiko itself would read the 4 GiB that a server may claim."""

# paramiko logs the traceback of whatever ends a connection, and without a handler Python prints it; latkit raises it
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class BoundedPacketizer(Packetizer):  # type: ignore[misc] # paramiko has no types
    """Refuses packets that are longer than negotiated."""

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Read this many bytes of the connection."""
        if n > MAX_PACKET_BYTES:
            raise paramiko.SSHException(f"a packet of {n} bytes, more than was agreed")
        return bytes(super().read_all(n, check_rekey))


def connect_all(address: Ssh, timeout_s: float, depth: int = 0) -> list[paramiko.Transport]:
    """Connections to every jump host in order, and last to the host itself. Raises Unreachable, HostKeyError."""
    host = resolve(address, timeout_s)
    if depth > MAX_JUMPS:
        raise UsageError(f"{address}: the ProxyJump of the SSH configuration goes in a circle")
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
        with contextlib.suppress(Exception):  # paramiko re-raises whatever its thread received
            transport.close()


def _next(jump: Ssh, before: list[paramiko.Transport], timeout_s: float, depth: int) -> list[paramiko.Transport]:
    """Connections to a jump host: by its own jumps if it is the first, as in OpenSSH, otherwise through the previous
    one.
    """
    if not before:
        return connect_all(jump, timeout_s, depth + 1)
    return [_login(resolve(jump, timeout_s), before)]


def _login(host: Host, before: list[paramiko.Transport]) -> paramiko.Transport:
    sock = _through(before[-1], host) if before else _dial(host)
    transport = None

    def no_server(why: str) -> Unreachable:
        return Unreachable(f"{host.known_as}: expected an SSH server, but found none that speaks: {why}")

    try:
        with faults_as(no_server):
            transport = paramiko.Transport(sock, packetizer_class=BoundedPacketizer)
            known = known_keys(host)
            options = transport.get_security_options()
            options.key_types = key_types(known, options.key_types)
            transport.auth_timeout = transport.channel_timeout = host.timeout_s
            transport.banner_timeout = host.timeout_s + BANNER_MARGIN_S
            transport.start_client(timeout=host.timeout_s)
            if not transport.initial_kex_done:  # paramiko does not report a timeout
                raise no_server(f"it did not shake hands within {host.timeout_s:g} s")
            verify(host, transport.get_remote_server_key(), known)
            authenticate(transport, host)
            transport.set_keepalive(DEAD_S)
    except BaseException:
        _give_up(transport, sock)
        raise
    return transport


def _give_up(transport: paramiko.Transport | None, sock: socket.socket | paramiko.Channel) -> None:
    if transport is not None:
        close_all([transport])
    sock.close()


def _dial(host: Host) -> socket.socket:
    with faults_as(
        lambda why: Unreachable(f"{host.address}: cannot connect to {host.hostname} port {host.port}: {why}")
    ):
        sock = socket.create_connection((host.hostname, host.port), host.timeout_s)
        notice_death(sock)  # SSH's own keep-alive ignores a missing answer
    return sock


def _through(jump: paramiko.Transport, host: Host) -> paramiko.Channel:
    with faults_as(
        lambda why: Unreachable(
            f"{host.address}: the jump host does not get through to {host.hostname} port {host.port}: {why}"
        )
    ):
        return jump.open_channel("direct-tcpip", (host.hostname, host.port), ("127.0.0.1", 0), timeout=host.timeout_s)
