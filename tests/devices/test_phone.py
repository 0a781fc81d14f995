"""A phone without Python, held to what `Transport` promises as far as its few programs can show it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from latkit.devices.transports import Adb, Transport, connect
from latkit.errors import DeadlineExceeded, DeviceError
from tests.devices.phone.emulated import Phone
from tests.devices.test_transports import soon

FOLDER = "/data/local/tmp/latkit-tests"


@pytest.fixture
def transport(phone: Phone) -> Iterator[Transport]:
    with connect(Adb.parse(phone.address)) as transport:
        yield transport
        transport.run(["rm", "-rf", "--", FOLDER], 20)


def sleeping(transport: Transport) -> bool:
    """Whether a `sleep` runs there; one that has died is shown in brackets."""
    return b" sleep 6" in transport.run(["ps", "-A", "-o", "ARGS"], 20).stdout


class TestTransport:
    def test_outputs_status_and_words(self, transport: Transport) -> None:
        done = transport.run(["sh", "-c", 'cat; echo "$1" >&2; exit 3', "sh", "a $HOME '"], 20, b"some\0words")
        assert (done.exit_status, done.stdout, done.stderr) == (3, b"some\0words", b"a $HOME '\n")
        assert transport.run(["latkit-no-such-command"], 20).exit_status == 127

    def test_a_deadline_kills_the_command_and_what_it_started(self, transport: Transport) -> None:
        with pytest.raises(DeadlineExceeded):
            transport.run(["sh", "-c", "sleep 61 & sleep 61"], 2)
        assert soon(lambda: not sleeping(transport))

    def test_closing_a_stream_kills_its_command(self, transport: Transport) -> None:
        stream = transport.start(["sh", "-c", "read line; echo $line; sleep 62"])
        stream.write_line(b"hello")
        assert stream.read_line(10) == b"hello"
        stream.close()
        assert soon(lambda: not sleeping(transport))

    def test_push_and_pull(self, transport: Transport, tmp_path: Path) -> None:
        source, back = tmp_path / "source", tmp_path / "back"
        source.write_bytes(os.urandom(3_000_001))
        transport.push(source, f"{FOLDER}/there")
        transport.pull(f"{FOLDER}/there", back)
        assert back.read_bytes() == source.read_bytes()

    def test_a_full_phone(self, phone: Phone, transport: Transport, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.write_bytes(bytes(3_000_000))
        phone.remount("size=2m")
        with pytest.raises(DeviceError, match="No space left on device"):
            transport.push(source, f"{FOLDER}/there")
        assert transport.run(["ls", FOLDER], 20).stdout == b""

    def test_a_phone_that_cannot_be_written_to(self, phone: Phone, transport: Transport, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.touch()
        phone.remount("ro")
        with pytest.raises(DeviceError, match="Read-only file system"):
            transport.push(source, f"{FOLDER}/there")
