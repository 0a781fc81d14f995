"""Phones that lie, claim endless packets or send slowly. Fakes: kill requests are only recorded."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from adb_shell import constants
from adb_shell.adb_message import AdbMessage

from latkit.devices.transports import Adb, connect
from latkit.devices.transports.adb.direct import DirectAdbd
from latkit.devices.transports.adb.transport import AdbTransport
from latkit.errors import DeadlineExceeded, DeviceError, DeviceGone, Unreachable
from latkit.testing.boards.fake_ssh import START, mark
from latkit.testing.phone.scripted import Script, Service, Work, scripted_adbd
from latkit.testing.phone.services import EXIT, HEADER, STDERR, STDOUT, frame
from latkit.testing.sockets import listening
from tests.waiting import DEADLINES_S, PATIENCE_S, ending_soon


@contextmanager
def phone(behave: Callable[[Service, str], None], kills: list[str], shell_v2: bool = True) -> Iterator[str]:
    """A phone that does that with each command, and records kill requests; its address."""

    def work(service: Service, command: str) -> None:
        if "kill -9" in command:
            kills.append(command)
        else:
            behave(service, command)

    def services(_script: Script) -> dict[str, Work]:
        return {"shell,v2,raw": work} if shell_v2 else {"exec": work}

    with scripted_adbd(Script(shell_v2=shell_v2), services) as address:
        yield address


def wait_for_the_end(service: Service) -> None:
    """Until the client closes the service, or goes."""
    while service.given.get() is not None:
        pass


def printing(out: str, *after: bytes, ends: bool = False) -> Callable[[Service, str], None]:
    """Prints that, with the command's own mark for MARK, then these frames; it waits, unless it ends."""

    def behave(service: Service, command: str) -> None:
        word = mark(command)
        service.write(frame(STDERR, b"noise\n" + word + b"\n") + frame(STDOUT, out.encode().replace(b"MARK", word)))
        for chunk in after:
            service.write(chunk)
        if not ends:
            wait_for_the_end(service)

    return behave


class TestProcessIds:
    @pytest.mark.parametrize(
        "out", ["1\n", "12345\n", f"1 {START}\n", "7" * 5000 + "\n", "MARK\n", f"MARK -1 {START}\n"]
    )
    def test_no_number_but_that_behind_the_mark_is_taken(self, out: str) -> None:
        kills: list[str] = []
        with phone(printing(out), kills) as address, connect(Adb.parse(address)) as transport:
            with pytest.raises(DeadlineExceeded):
                transport.run(["true"], 1)
            transport.start(["true"]).close()
        assert kills == []

    @pytest.mark.parametrize("pid", [0, 1, 2**22 + 1])
    def test_a_number_that_no_command_has(self, pid: int) -> None:
        kills: list[str] = []
        with (
            phone(printing(f"MARK {pid} {START}\n"), kills) as address,
            connect(Adb.parse(address)) as transport,
            pytest.raises(DeviceGone, match=f"expected the process id of a command, but found {pid}"),
        ):
            transport.run(["true"], PATIENCE_S)
        assert kills == []

    def test_what_is_killed_is_checked_there(self) -> None:
        kills: list[str] = []
        with (
            phone(printing(f"1\nMARK 2 {START}\n"), kills) as address,
            connect(Adb.parse(address)) as transport,
        ):
            for deadline_s in DEADLINES_S:
                with pytest.raises(DeadlineExceeded):
                    transport.run(["true"], deadline_s)
                if kills:
                    break  # else, on a busy machine, the deadline has passed before the mark came
        (kill,) = kills
        assert kill.startswith("set -- 2 4242; ")
        assert kill.index("/proc/$1/stat") < kill.index('[ "${20}" = "$t" ] || exit') < kill.index("kill -9")

    def test_a_shell_that_runs_nothing(self) -> None:
        behave = printing("Not today\n", frame(EXIT, b"\1"))
        with (
            phone(behave, []) as address,
            connect(Adb.parse(address)) as transport,
            pytest.raises(Unreachable, match=r"runs no command \(exit status 1\); its login shell prints: .*Not today"),
        ):
            transport.run(["true"], PATIENCE_S)


class TestOutputs:
    @pytest.mark.parametrize(
        ("after", "error"),
        [
            ((HEADER.pack(STDOUT, 2**32 - 1),), "expected a piece of output, but found one of 4294967295 bytes"),
            ((HEADER.pack(77, 3 * 2**20),), "expected a piece of output"),
            ((frame(STDOUT, bytes(2**20)),) * 3, "expected at most 2 MiB from true, but it prints more"),
            ((frame(STDERR, bytes(2**20)),) * 3, "expected at most 2 MiB from true, but it prints more"),
            ((frame(EXIT, b""), frame(99, b"x")), "was cut off"),
        ],
    )
    def test_frames(self, after: tuple[bytes, ...], error: str) -> None:
        behave = printing(f"MARK 2 {START}\n", *after, ends=True)
        with (
            phone(behave, []) as address,
            connect(Adb.parse(address)) as transport,
            pytest.raises(DeviceError, match=error),
        ):
            transport.run(["true"], PATIENCE_S, max_bytes=2 * 2**20)

    @pytest.mark.parametrize("status", ["many", "7" * 5000, "x" * 200, "-1", "1 2"])
    def test_the_status_of_an_old_phone(self, status: str, tmp_path: Path) -> None:
        def behave(service: Service, command: str) -> None:
            word = command.rpartition("; echo ")[2].split()[0]
            service.write(mark(command) + f" 2 {START}\nout{word} {status}\n".encode())
            wait_for_the_end(service)

        with phone(behave, [], shell_v2=False) as address:
            parsed = Adb.parse(address)
            direct = DirectAdbd("127.0.0.1", parsed.port or 0, PATIENCE_S)
            with (
                AdbTransport(direct, address, str(tmp_path), shell_v2=False) as transport,
                pytest.raises(DeviceGone, match="expected a command's exit status, but found"),
            ):
                transport.run(["true"], PATIENCE_S)


def hello(payload_bytes: int) -> bytes:
    banner = b"device::features=shell_v2\0"
    return AdbMessage(constants.CNXN, constants.VERSION, payload_bytes, banner).pack() + banner


def header(command: bytes, length: int) -> bytes:
    """A packet's header that claims a number of bytes."""
    code = constants.ID_TO_WIRE[command]
    return struct.pack("<6L", code, 1, 1, length, 0, code ^ 0xFFFFFFFF)


OKAY = AdbMessage(constants.OKAY, 1, 1).pack()
UNKNOWN = struct.pack("<6L", 1, 1, 1, 0, 0, 1)


@contextmanager
def packets(first: bytes, then: bytes = b"", drip: bytes = b"") -> Iterator[Adb]:
    """A phone that sends one thing at the beginning and another once something is opened, whatever is requested."""

    def speak(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(first)
        connection.recv(1000)
        connection.sendall(then)
        while drip:
            connection.sendall(drip)
            time.sleep(0.05)
        while connection.recv(1000):  # until the client has gone
            pass

    with listening(speak) as port:
        yield Adb(host="127.0.0.1", port=port)


class TestPackets:
    @pytest.mark.parametrize(
        ("first", "error"),
        [
            (header(constants.CNXN, 2**32 - 1), "found another service: a packet of 4294967295 bytes before hands"),
            (header(constants.AUTH, 2**20), "found another service: a packet of 1048576 bytes before hands"),
            (header(constants.CNXN, 3) + b"xyz", "found another service"),
            (UNKNOWN, "found another service"),
            (b"HTTP/1.1 400 Bad Request, which nobody expects\r\n\r\n", "found another service"),
            (hello(0)[:10], "cannot connect"),
            (hello(2), "expected a phone that takes packets"),
            (header(constants.AUTH, 0), "found another service"),
        ],
    )
    def test_before_hands_are_shaken(self, first: bytes, error: str) -> None:
        wait_s = 1 if error == "cannot connect" else PATIENCE_S
        with packets(first) as parsed, ending_soon(), pytest.raises(Unreachable, match=error) as caught:
            connect(parsed, wait_s)
        assert len(str(caught.value).splitlines()) == 1
        assert str(caught.value).isprintable()

    @pytest.mark.parametrize(
        ("then", "error"),
        [
            (header(constants.WRTE, 2**32 - 1), "a packet of 4294967295 bytes, more than was agreed"),
            (OKAY + header(constants.WRTE, constants.MAX_ADB_DATA + 1), "more than was agreed"),
            (UNKNOWN, "the unknown packet 0x1"),
        ],
    )
    def test_afterwards(self, then: bytes, error: str) -> None:
        with (
            packets(hello(4096), then) as parsed,
            connect(parsed, PATIENCE_S) as transport,
            pytest.raises(DeviceGone, match=error),
        ):
            transport.run(["true"], PATIENCE_S)

    def test_a_drip_is_not_waited_for_without_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("latkit.devices.transports.adb.wire.DEAD_S", 0.5)
        with (
            ending_soon(),
            packets(hello(4096), OKAY + header(constants.WRTE, 10_000), drip=b"x") as parsed,
            connect(parsed, PATIENCE_S) as transport,
            pytest.raises(DeviceGone, match="connection is lost"),
        ):
            transport.run(["true"], 2 * PATIENCE_S)
