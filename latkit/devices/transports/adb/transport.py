"""The ADB transport: a phone, by adb-shell over TCP or by adbutils through the local adb server."""

from __future__ import annotations

import contextlib
import secrets
import shlex
import time
from collections.abc import Sequence

from latkit.devices.transports.adb.address import PHONE_HOME, Adb
from latkit.devices.transports.adb.channel import Adbd, ServiceRefused
from latkit.devices.transports.adb.process import NOTHING, Exec, Process, ShellV2
from latkit.devices.transports.adb.stream import AdbStream
from latkit.devices.transports.adb.sync import send_file
from latkit.devices.transports.base import MAX_OUTPUT_BYTES, Completed, Stream, check_argv, check_output
from latkit.devices.transports.shell_copy import CopyingByCommands
from latkit.devices.transports.start_mark import KILL
from latkit.errors import DeadlineExceeded, DeviceError, DeviceGone

SLICE_S = 0.25
KILL_S = 5.0


class AdbTransport(CopyingByCommands):
    """A phone. Files are copied through `cat`, so that an interrupted copy can be resumed."""

    def __init__(self, adbd: Adbd, name: str, scratch: str = PHONE_HOME, shell_v2: bool = True) -> None:
        """`scratch`: a writable folder on the phone; `shell_v2`: whether to try the service that
        Android 7 introduced.
        """
        self._adbd = adbd
        self._name = name
        self._scratch = scratch
        self._shell_v2 = shell_v2
        self._streams: list[AdbStream] = []
        self._out_of_reach = False

    @classmethod
    def connect(cls, address: Adb, timeout_s: float) -> AdbTransport:
        """Connect and authenticate. Raises Unreachable with what to do."""
        return cls(_adbd(address, timeout_s), str(address))

    def run(
        self, argv: Sequence[str], timeout_s: float, stdin: bytes = b"", max_bytes: int = MAX_OUTPUT_BYTES
    ) -> Completed:
        """Run a command. The exit status is 127 if it does not exist, and 128 or more if a signal ended it."""
        deadline = time.monotonic() + timeout_s
        process = self._process(argv, stdin)
        rest: bytes | None = stdin
        try:
            while not process.ended:
                rest = process.feed(rest)
                process.receive(min(SLICE_S, deadline - time.monotonic()))
                check_output(self._name, argv[0], len(process.out) + len(process.err), max_bytes)
                if time.monotonic() > deadline and not process.ended:
                    raise DeadlineExceeded(f"{self._name}: {argv[0]} did not end within {timeout_s:g} s; it was killed")
            # adbd may drop the output of a command that succeeds without reading its stdin
            if not stdin or process.exit_status != 0:
                process.mark.check_found(process.exit_status, process.err)
            if process.exit_status is None:
                raise DeviceGone(f"{self._name}: {argv[0]} was cut off")
        except BaseException:
            self.kill(process)
            raise
        finally:
            process.channel.close()
        return Completed(process.exit_status, bytes(process.out), bytes(process.err))

    def start(self, argv: Sequence[str]) -> Stream:
        """Start a command."""
        stream = AdbStream(self._process(argv, None), self._name, self.kill)
        self._streams.append(stream)
        return stream

    def home(self) -> str:
        """The one folder of an unrooted phone that its shell may write to and execute from."""
        return PHONE_HOME

    def close(self) -> None:
        """Kill what was started, and close the connections."""
        while self._streams:
            self._streams.pop().close()
        self._adbd.close()

    def kill(self, process: Process) -> None:
        """Kill a command and its children, if it still is the one that was started, and remove its files.

        Never raises.
        """
        found = process.mark.process
        if not found or process.ended or self._out_of_reach:
            return
        files = f"rm -f {shlex.join(process.files)}; " if process.files else ""
        script = f"{files}set -- {found.pid} {found.started}; {KILL}"
        deadline = time.monotonic() + KILL_S
        try:
            channel = self._adbd.open(f"{'shell,v2,raw' if self._shell_v2 else 'exec'}:{script}")
            while channel.receive(SLICE_S) is not None and time.monotonic() < deadline:
                continue
            channel.close()
        except DeviceError:
            self._out_of_reach = True  # otherwise each remaining command would wait as long in vain

    def _process(self, argv: Sequence[str], stdin: bytes | None) -> Process:
        """The started command. If its stdin is given as a whole, `feed` has to be called with it."""
        check_argv(argv)
        if self._shell_v2:
            with contextlib.suppress(ServiceRefused):
                return ShellV2(self._adbd, argv, self._name)
            self._shell_v2 = False
        return Exec(self._adbd, argv, self._name, self._scratch, None if stdin is None else self._stash(stdin))

    def _stash(self, content: bytes) -> str:
        """A file on the phone with that content."""
        if not content:
            return NOTHING
        path = f"{self._scratch}/.latkit-{secrets.token_hex(8)}"
        channel = self._adbd.open("sync:")
        try:
            send_file(channel, path, content)
        finally:
            channel.close()
        return path


def _adbd(address: Adb, timeout_s: float) -> Adbd:
    """The connection to the phone's adbd. A phone that requires TLS is reached through the server, if that is
    connected.
    """
    if address.host is not None and address.port is not None:
        from latkit.devices.transports.adb.direct import DirectAdbd
        from latkit.devices.transports.adb.wire import NeedsTls

        try:
            return DirectAdbd(address.host, address.port, timeout_s)
        except NeedsTls as error:
            needs_tls = error
        try:
            return _served(str(address))
        except DeviceError:
            raise needs_tls from None
    return _served(str(address))


def _served(serial: str) -> Adbd:
    from latkit.devices.transports.adb.server import ServerAdbd

    return ServerAdbd(serial)
