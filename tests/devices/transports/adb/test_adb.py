"""ADB satisfies `Transport` with the real adbd, by each kind of address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from latkit.devices.transports import Adb, Transport, connect
from latkit.devices.transports.adb.direct import DirectAdbd
from latkit.devices.transports.adb.transport import AdbTransport
from latkit.errors import DeviceGone
from latkit.testing.phone.adbd import Daemon
from tests.devices.transports.test_transports import TransportConformance
from tests.waiting import PATIENCE_S


class AdbConformance(TransportConformance):
    @pytest.fixture
    def home(self) -> Path:
        return Path("/data/local/tmp")


class TestAdb(AdbConformance):
    """Over TCP."""

    @pytest.fixture
    def transport(self, adbd_here: Daemon) -> Iterator[Transport]:
        with connect(Adb.parse(adbd_here.address)) as transport:
            yield transport


class TestServedAdb(AdbConformance):
    """Through the adb server, as with a phone on USB."""

    @pytest.fixture
    def transport(self, served_here: str) -> Iterator[Transport]:
        with connect(Adb(serial=served_here)) as transport:
            yield transport


class TestOldAdb(AdbConformance):
    """As with a phone before Android 7, which has no shell protocol."""

    @pytest.fixture
    def transport(self, adbd_here: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Transport]:
        scratch = tmp_path_factory.mktemp("scratch")
        direct = DirectAdbd("127.0.0.1", adbd_here.port, PATIENCE_S)
        with AdbTransport(direct, adbd_here.address, str(scratch), shell_v2=False) as transport:
            yield transport

    def test_a_stream_answers_line_by_line(self, transport: Transport) -> None:
        """Its input ends only together with its output, so that the exit status never comes."""
        stream = transport.start(["cat"])
        for line in (b"one", b"", b"x" * 300_000, "ä".encode()):
            stream.write_line(line)
            assert stream.read_line(PATIENCE_S) == line
        stream.close_input()
        with pytest.raises(DeviceGone):
            stream.read_line(PATIENCE_S)
        assert stream.exit_status is None
        stream.close()
