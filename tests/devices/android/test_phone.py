"""A phone without Python satisfies `Transport` as far as its few programs can show it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from latkit.devices.android.phone import PhoneState, PhoneWatch, is_emulated, phone_state, properties
from latkit.devices.transports import Adb, Local, Transport, connect
from latkit.errors import DeadlineExceeded, DeviceError
from latkit.testing.phone.emulated import Phone
from tests.waiting import DEADLINES_S, PATIENCE_S, soon

FOLDER = "/data/local/tmp/latkit-tests"


@pytest.fixture
def transport(phone: Phone) -> Iterator[Transport]:
    with connect(Adb.parse(phone.address)) as transport:
        yield transport
        transport.run(["rm", "-rf", "--", FOLDER], PATIENCE_S)


def sleeping(transport: Transport) -> bool:
    """Whether a `sleep` runs there; one that has died is shown in brackets."""
    return b" sleep 6" in transport.run(["ps", "-A", "-o", "ARGS"], PATIENCE_S).stdout


class TestTransport:
    def test_output_exit_status_and_arguments_are_passed_through(self, transport: Transport) -> None:
        done = transport.run(["sh", "-c", 'cat; echo "$1" >&2; exit 3', "sh", "a $HOME '"], PATIENCE_S, b"some\0words")
        assert (done.exit_status, done.stdout, done.stderr) == (3, b"some\0words", b"a $HOME '\n")
        assert transport.run(["latkit-no-such-command"], PATIENCE_S).exit_status == 127

    def test_a_deadline_kills_the_command_and_what_it_started(self, transport: Transport) -> None:
        begun = f"{FOLDER}/begun"
        for deadline_s in DEADLINES_S:
            with pytest.raises(DeadlineExceeded):
                transport.run(["sh", "-c", f"sleep 610 & mkdir -p {FOLDER}; touch {begun}; sleep 610"], deadline_s)
            if transport.run(["ls", begun], PATIENCE_S).exit_status == 0:
                break  # else, on a busy machine, the deadline has passed before it
        assert transport.run(["ls", begun], PATIENCE_S).exit_status == 0
        assert soon(lambda: not sleeping(transport))

    def test_closing_a_stream_kills_its_command(self, transport: Transport) -> None:
        stream = transport.start(["sh", "-c", "read line; echo $line; sleep 620"])
        stream.write_line(b"hello")
        assert stream.read_line(PATIENCE_S) == b"hello"
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
        assert transport.run(["ls", FOLDER], PATIENCE_S).stdout == b""

    def test_a_phone_that_cannot_be_written_to(self, phone: Phone, transport: Transport, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.touch()
        phone.remount("ro")
        with pytest.raises(DeviceError, match="Read-only file system"):
            transport.push(source, f"{FOLDER}/there")


class TestAndroidFacts:
    def test_properties(self, phone: Phone, transport: Transport) -> None:
        phone.root.set_properties(ro__build__display__id="two words [and] brackets", ro__kernel__qemu="0")
        address = Adb.parse(phone.address)
        found = properties(transport, address)
        assert found["ro.build.display.id"] == "two words [and] brackets"
        assert not is_emulated(found)
        assert properties(transport, Local()) == {}

    def test_state(self, phone: Phone, transport: Transport) -> None:
        assert phone_state(transport) == PhoneState(80, 29.0, True, True, False, True, 0)
        phone.root.set_battery(20, plugged=False, celsius=41.5)
        phone.root.set_thermal(3)
        phone.root.set_screen(on=False)
        phone.root.set_setting("global", "low_power", "1")
        assert phone_state(transport) == PhoneState(20, 41.5, False, False, True, True, 3)

    def test_the_phone_state_is_read_periodically(self, phone: Phone, transport: Transport) -> None:
        watch = PhoneWatch(transport, Adb.parse(phone.address), every_s=60)
        before = watch.conditions()
        phone.root.set_thermal(3)
        assert watch.conditions() == before
        assert PhoneWatch(transport, Local()).conditions() == {}
