"""Several devices in one command; devices in use; devices in quarantine."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from latkit.devices import Device, Ssh, leased, load_device, trust
from latkit.measurements import Store
from latkit.profiling import fusion_probes
from latkit.targets import Target
from latkit.testing.agents.faulty import faulty_python
from latkit.testing.boards.sshd import Sshd
from tests.cli.conftest import QUICK, Run
from tests.profiling.test_fusion_probes import NETWORKS


@pytest.fixture
def root(folder: Path, tmp_path: Path, latkit: Run) -> Path:
    """A workspace with this machine as `here`, in which nothing was measured."""
    latkit("init", tmp_path)
    load_device(folder / "devices", "here").write(tmp_path / "devices")
    (tmp_path / "small.toml").write_text((folder / "small.toml").read_text())
    return tmp_path


def add(root: Path, name: str, **changes: object) -> Device:
    device = load_device(root / "devices", "here").model_copy(update={"name": name, **changes})
    device.write(root / "devices")
    trust(device)
    return device


def collecting(root: Path, *targets: str) -> list[object]:
    return ["-C", root, "collect", "space", *targets, "--space", root / "small.toml", "--networks", 0, *QUICK]


def test_devices_run_in_parallel_and_their_targets_in_sequence(root: Path, sshd: Sshd, document) -> None:
    add(root, "board", transport=Ssh(host="board", config=str(sshd.config)), folder=str(root / "agent"))
    names = ["here/onnxruntime", "board/onnxruntime", "here/onnxruntime-t2", "here/onnxruntime"]
    found = document(*collecting(root, *names))["targets"]
    settings = "onnxruntime-t1-fp32-b1", "onnxruntime-t2-fp32-b1"
    assert [one["target"] for one in found] == [f"here/{settings[0]}", f"board/{settings[0]}", f"here/{settings[1]}"]
    assert all(one["finished"] and not one["failed"] and one["space"] == "small" for one in found)
    again = document(*collecting(root, *names))["targets"]
    assert [one["already"] for one in again] == [one["already"] + one["visits"] for one in found]


def test_one_failing_device_stops_no_other(root: Path, latkit: Run) -> None:
    (root / "config").touch()
    add(root, "off", transport=Ssh(host="127.0.0.1", port=1, config=str(root / "config")))
    code, out, err = latkit(*collecting(root, "off/onnxruntime", "here/onnxruntime"), "--json")
    assert code == 1
    off, here = json.loads(out)["targets"]
    assert "cannot connect" in off["error"]
    assert here["finished"]
    assert "error: off/onnxruntime-t1-fp32-b1: " in err


def test_options_are_checked_before_anything_is_measured(root: Path, latkit: Run) -> None:
    code, _, err = latkit(*collecting(root, "here/onnxruntime", "nobody/onnxruntime"))
    assert (code, "unknown device 'nobody'" in err) == (2, True)
    assert not list((root / "measurements").iterdir())


def test_a_device_in_use(root: Path, latkit: Run, document) -> None:
    other = add(root, "same", folder="/elsewhere")
    with leased(other, "somebody's work"):
        code, _, err = latkit(*collecting(root, "here/onnxruntime"))
        assert code == 1
        assert "here is used by" in err
        assert "for somebody's work; wait for it with: --wait SECONDS" in err.replace("\n", " ")
        listed = {device["name"]: device["holder"] for device in document("-C", root, "device", "list")}
        assert listed["here"] == listed["same"]
        assert listed["here"]["purpose"] == "somebody's work"
        assert "somebody's work" in latkit("-C", root, "device", "show", "here")[1]
        code, _, err = latkit(*collecting(root, "here/onnxruntime"), "--wait", 0.2)
        assert code == 1
        assert "waiting for here" in err
    assert all(device["holder"] is None for device in document("-C", root, "device", "list"))
    assert document(*collecting(root, "here/onnxruntime"), "--wait", "inf")["finished"]


def test_quarantine_until_the_doctor_lifts_it(root: Path, latkit: Run, document, tmp_path: Path) -> None:
    folder = tmp_path / "wrong"
    add(root, "bad", python=faulty_python(folder))
    (folder / "segfault").write_text("all")
    code, _, err = latkit(*collecting(root, "bad/onnxruntime"))
    assert code == 1
    assert "error: bad was given up after 3 faults in a row" in err
    shown = document("-C", root, "device", "show", "bad")["quarantine"]
    assert len(shown["faults"]) == 3
    assert "the agent died" in shown["faults"][0]["message"]
    assert [device["name"] for device in document("-C", root, "device", "list")] == ["bad", "here"]
    (folder / "segfault").unlink()
    code, _, err = latkit(*collecting(root, "bad/onnxruntime"))
    assert code == 1
    assert "bad is in quarantine since" in err
    assert "latkit device doctor bad" in err
    _, _, err = latkit("-C", root, "device", "doctor", "bad")
    assert "bad is no longer in quarantine" in err
    assert document(*collecting(root, "bad/onnxruntime"))["finished"]


def test_a_killed_command_goes_on_where_it_was(root: Path, document) -> None:
    arguments = [*map(str, collecting(root, "here/onnxruntime")), "--rounds", "12"]
    process = subprocess.Popen([sys.executable, "-m", "latkit", *arguments], stderr=subprocess.DEVNULL)
    path = root / "measurements" / "here" / "onnxruntime-t1-fp32-b1" / "measurements.sqlite"

    def committed() -> int:
        with Store(path, Target("here", "onnxruntime")) as store:
            return sum(len(measurement.rounds) for measurement in store.measurements())

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (path.exists() and committed() >= 3):
        time.sleep(0.1)
    process.kill()
    process.wait()
    before = committed()
    assert before >= 3
    again = document(*arguments)
    assert again["finished"]
    assert again["already"] == before, "a dead process holds no lease, and what it committed is there"
    assert committed() == before + again["visits"]


@pytest.mark.slow
@pytest.mark.device
def test_kernels_are_collected_to_the_end(root: Path, latkit: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two small networks: latkit's own have hundreds of kernels. The fixture checks the fields of the document."""
    monkeypatch.setattr(fusion_probes, "drawn_networks", lambda _dialect: NETWORKS[:2])
    monkeypatch.setattr(fusion_probes, "stacks", lambda _dialect: [])
    code, out, err = latkit("-C", root, "collect", "kernels", "here/onnxruntime", "--count", 2, *QUICK, "--json")
    assert code == 0, err
    document = json.loads(out)
    assert document["finished"]
    assert document["failed"] == {}
    assert document["subjects"] > 2
    again = json.loads(latkit("-C", root, "collect", "kernels", "here/onnxruntime", "--count", 2, *QUICK, "--json")[1])
    assert (again["finished"], again["visits"]) == (True, 0)
