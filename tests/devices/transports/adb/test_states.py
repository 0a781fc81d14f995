"""Phones as adb lists them: states, missing or duplicate serials; and servers that are no adb servers."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable

import pytest

from latkit.devices.transports import Adb, connect
from latkit.devices.transports.adb import question as adb_question_module
from latkit.devices.transports.adb.phones import ListedPhone, listed
from latkit.errors import DeviceGone, Unreachable, UsageError
from latkit.testing.phone.fake_server import fake_server, lists
from tests.waiting import PATIENCE_S, ending_soon

NO_PERMISSIONS = "no permissions (missing udev rules? user is in the plugdev group); see [http://developer.android.com]"
STATES = {
    NO_PERMISSIONS: "install udev rules",
    "no permissions": "install udev rules",
    "unauthorized": "tap Always allow from this computer and Allow",
    "offline": "adb reconnect offline",
    "authorizing": "unlock it, and run the same command again",
    "connecting": "run the same command again",
    "recovery": "adb reboot",
    "sideload": "adb reboot",
    "bootloader": "fastboot reboot",
    "host": "plug it in anew",
    "\x1b[2J": r"'\\x1b\[2J': plug it in anew",
}


@pytest.mark.parametrize("state", STATES)
def test_each_state_has_its_remedy(state: str) -> None:
    with (
        fake_server(lists([("A", "device", ""), ("R58M", state, "usb:1-1 transport_id:3")], [])),
        pytest.raises(Unreachable, match=rf"^R58M: expected a phone that is ready, but adb calls it .*{STATES[state]}"),
    ):
        connect(Adb.parse("R58M"))


def requests(serial: str, *phones: tuple[str, str, str]) -> list[str]:
    """The server's request for that phone, among those that it has."""
    received: list[str] = []
    with (
        fake_server(lists(phones, received)),
        connect(Adb.parse(serial)) as transport,
        pytest.raises(DeviceGone, match="no such service"),
    ):
        transport.run(["true"], PATIENCE_S)
    return received[2:]


@pytest.mark.parametrize(
    ("serial", "request_"),
    [
        ("My Phone 3", "host:transport:My Phone 3"),
        ("adb-R5 (2)._adb-tls-connect._tcp", "host:transport:adb-R5 (2)._adb-tls-connect._tcp"),
        ("????", "host:transport:????"),
        ("usb:1-1.4", "host:transport-id:4"),
        ("transport_id:5", "host:transport-id:5"),
    ],
)
def test_a_phone_is_found(serial: str, request_: str) -> None:
    phones = [
        ("My Phone 3", "device", "usb:1-1 transport_id:2"),
        ("adb-R5 (2)._adb-tls-connect._tcp", "device", "product:p model:M_1 transport_id:3"),
        ("B", "device", "usb:1-1.4 product:p transport_id:4"),
        ("B", "device", "usb:1-2 product:p transport_id:5"),
        ("????", "device", "usb:1-3 transport_id:6"),
    ]
    assert requests(serial, *phones) == [request_]


@pytest.mark.parametrize(
    ("serial", "message"),
    [
        ("B", "expected one phone of serial 'B', but adb has 2: unplug all but one, .*--adb usb:1-2.*transport_id:4"),
        ("C", "expected one phone of serial 'C', but adb has 2: unplug all but one, .*adb devices -l"),
        ("(no serial number)", r"adb prints for a phone that has none: name it .*--adb usb:1-7"),
        ("R58M", r"but the adb server has: .*\?\?\?\? \(no permissions\).*adb may not read the serial"),
    ],
)
def test_a_phone_that_is_not_the_one(serial: str, message: str) -> None:
    phones = [
        ("B", "device", "usb:1-2 transport_id:4"),
        ("B", "device", "usb:1-3 transport_id:5"),
        ("C", "device", ""),
        ("C", "device", ""),
        ("????", "no permissions", "usb:1-4 transport_id:6"),
        ("(no serial number)", "device", "usb:1-7 transport_id:7"),
    ]
    with fake_server(lists(phones, [])), pytest.raises(Unreachable, match=message):
        connect(Adb.parse(serial))


def test_a_listing_of_an_old_server() -> None:
    assert listed("R58M\tdevice\n\nno phone\n", "") == [ListedPhone("R58M", "device")]


def silent(sock: socket.socket) -> None:
    while sock.recv(100):  # until the client has gone
        pass


def dripping(sock: socket.socket) -> None:
    sock.sendall(b"OKAYffff")
    while True:  # until the client has gone
        sock.sendall(b"x")
        time.sleep(0.1)


def sending(content: bytes) -> Callable[[socket.socket], None]:
    def behave(sock: socket.socket) -> None:
        sock.recv(100)
        sock.sendall(content)

    return behave


@pytest.mark.parametrize(
    ("behave", "message"),
    [
        (silent, "did not answer within 0.5 s"),
        (dripping, "did not answer within 0.5 s"),
        (sending(b""), "closed the connection"),
        (sending(b"HTTP/1.1 400"), "expected OKAY or FAIL"),
        (sending(b"OKAYzzzz"), "expected a length"),
        (sending(b"OKAY-001"), "expected a length"),
        (sending(b"FAIL0007\x1b[2Jred"), r"\\x1b\[2Jred"),
        (sending(b"OKAY0004\xff\xfe\xff\xfe"), "expected a phone of serial"),
        (sending(b"OKAY" + struct.pack("<L", 2**31)), "expected a length"),
    ],
)
def test_a_server_that_is_none(
    behave: Callable[[socket.socket], None], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_s = 0.5 if "within" in message else PATIENCE_S
    monkeypatch.setattr(adb_question_module.Question.__init__, "__defaults__", (wait_s,))
    with fake_server(behave), ending_soon(), pytest.raises(Unreachable, match=message):
        connect(Adb.parse("R58M"))


@pytest.mark.parametrize("port", ["many", "0", "70000", "9" * 5000, "-1", "²"])
def test_a_port_that_is_none(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", port)
    with pytest.raises(UsageError, match="expected ANDROID_ADB_SERVER_PORT as a port"):
        connect(Adb.parse("R58M"))
