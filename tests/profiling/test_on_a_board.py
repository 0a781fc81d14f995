"""Collecting on a real board: exports during the timing, and the check of its baseline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from latkit.devices import Device, Ssh
from latkit.errors import MeasurementConflict
from latkit.progress import Callbacks
from latkit.targets import Target
from latkit.testing.boards.sshd import Sshd
from latkit.timing import TimingPlan
from latkit.workspace import MeasureOptions, Workspace
from tests.builders import conv
from tests.devices.conftest import FACTS, this_machine

TARGET = Target("board", "onnxruntime")
PLAN = TimingPlan(rounds=2, round_s=0.02, extra_rounds=0)


@pytest.fixture
def workspace(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """One with this machine by SSH as `board`, which reports the boot id in the file `boot_id`."""
    made = Workspace.init(tmp_path / "workspace")
    record = Device(
        name="board",
        added_at="2026-01-01T00:00:00+00:00",
        python="python3",
        folder="/x",
        runtimes={},
        transport=Ssh(host="board"),
        facts=FACTS,
    )
    device = this_machine(record, tmp_path, Ssh(host="board", config=str(sshd.config)))
    device.write(made.devices_dir)
    (tmp_path / "boot_id").write_text("another machine\n")
    monkeypatch.setattr("latkit.devices.sessions.session.BOOT_ID_FILE", str(tmp_path / "boot_id"))
    monkeypatch.setattr("latkit.devices.sessions.compatibility.check_same_device", lambda *_arguments: None)
    return made


def test_another_machine_is_timed_while_this_one_exports(workspace: Workspace) -> None:
    with workspace.collection(TARGET, MeasureOptions(PLAN)) as collection:
        assert collection.overlapping
        summary = collection.run([conv(8), conv(16)])
    assert (summary.rounds, summary.failed) == (4, {})
    parts = summary.inference_seconds + summary.load_seconds + summary.push_seconds + summary.export_seconds
    assert 0 < parts + summary.idle_seconds == pytest.approx(summary.seconds)


def test_a_reboot_between_two_commands_is_reported_and_the_local_machine_exports_first(
    workspace: Workspace, tmp_path: Path
) -> None:
    with workspace.collection(TARGET, MeasureOptions(PLAN)) as collection:
        collection.run([conv(8)])
    (tmp_path / "boot_id").write_text(Path("/proc/sys/kernel/random/boot_id").read_text())
    messages: list[str] = []
    with workspace.collection(TARGET, MeasureOptions(PLAN), Callbacks(on_message=messages.append)) as collection:
        assert not collection.overlapping
        assert collection.run([conv(8)]).resumed == 2, "what was measured before the boot is still of use"
    assert "board was booted since board/onnxruntime-t1-fp32-b1 was measured last" in messages


@pytest.mark.usefixtures("speed_is_judged")
def test_doctor_and_collect_notice_a_device_whose_speed_changed(workspace: Workspace) -> None:
    plan = TimingPlan(rounds=16, round_s=0.02, extra_rounds=0)
    with workspace.collection(TARGET, MeasureOptions(plan)) as collection:
        collection.run([conv(8), conv(16)])
        environment = collection.environment()
    with workspace.store(TARGET) as store:
        baseline = store.baseline(environment)
        assert baseline is not None
        assert 0 < baseline.reference_s < 1
        assert {measurement.reference_s for measurement in store.measurements()} == {baseline.reference_s}
    (check,) = workspace.check_baselines("board")
    assert check.name == f"baseline {TARGET}"
    with workspace.store(TARGET) as store:  # as if it had been a thousand times slower
        store.save_baseline(environment, replace(baseline, reference_s=1000 * baseline.reference_s, is_idle=True))
    (check,) = workspace.check_baselines("board")
    assert check.ok is False
    assert "--rebaseline" in check.remedy
    with pytest.raises(MeasurementConflict, match="--rebaseline"), workspace.collection(TARGET, MeasureOptions(plan)):
        pass
    with workspace.collection(TARGET, MeasureOptions(plan, rebaseline=True)) as collection:
        assert collection.run([conv(8)]).resumed == 0
