"""Unusable phones, and pulled cables: clear messages, nothing lost, nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from latkit.devices import Adb, RecoveringSession, add_device, open_session
from latkit.errors import DeviceError
from latkit.targets import Target
from latkit.testing.phone.adbd import Daemon
from latkit.testing.phone.cable import Cable, cable_to
from latkit.testing.phone.emulated import Phone
from latkit.timing import TimingPlan
from tests.devices.conftest import this_machine

TMP = "/data/local/tmp"


def refusal(phone: Phone, folder: Path) -> str:
    """The error of adding the phone; nothing may be left on it."""
    with pytest.raises(DeviceError) as caught:
        add_device(folder, "phone", Adb.parse(phone.address))
    assert not list(folder.glob("*.toml"))
    return str(caught.value)


class TestPhonesThatCannotBeUsed:
    def test_no_programs_may_be_started(self, phone: Phone, cached_bundles: Path, tmp_path: Path) -> None:
        """As where SELinux refuses it."""
        phone.remount("noexec")
        message = refusal(phone, tmp_path)
        assert "exit status 126" in message
        assert "Permission denied" in message
        assert "--agent-folder" in message
        assert phone.listed(f"{TMP}/latkit") == []

    def test_full(self, phone: Phone, cached_bundles: Path, tmp_path: Path) -> None:
        phone.remount("size=3m")
        assert "No space left on device" in refusal(phone, tmp_path)
        assert phone.listed(f"{TMP}/latkit") == []

    def test_read_only(self, phone: Phone, cached_bundles: Path, tmp_path: Path) -> None:
        phone.remount("ro")
        assert "Read-only file system" in refusal(phone, tmp_path)

    def test_32_bits(self, phone: Phone, tmp_path: Path) -> None:
        with phone.root.program("uname", "echo armv7l"):
            assert "expected a 64-bit processor (aarch64, x86_64)" in refusal(phone, tmp_path)
        assert phone.listed(f"{TMP}/latkit") == []


class TestCablePulled:
    """A phone that runs this machine's Python: it is faster, and the connection to it is the same."""

    @pytest.fixture
    def cable(self, adbd_here: Daemon) -> Iterator[Cable]:
        with cable_to(adbd_here.port) as cable:
            yield cable

    def test_measuring_goes_on(self, cable: Cable, board, make_model, tmp_path: Path) -> None:
        device = this_machine(board, tmp_path, Adb(host="127.0.0.1", port=cable.port))
        target, plan = Target("board", "onnxruntime"), TimingPlan(rounds=1, round_s=0.01, round_runs=3)
        model, reference = make_model(), make_model(size=8)
        messages: list[str] = []
        opened = lambda: open_session(device, target)  # noqa: E731
        with RecoveringSession("board", opened, messages.append, pauses_s=(0.0, 0.1)) as session:
            session.environment(model, reference)
            cable.pull()
            cable.plug()
            assert session.measure_round(model, reference, plan).wall_ns
        assert any("the connection is lost" in remark for remark in messages)
