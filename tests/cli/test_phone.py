"""An unmodified phone, from `device add` to the report; here it is the phone made of packages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from latkit.ops import Network
from latkit.targets import Target
from latkit.testing.phone.emulated import Phone
from latkit.workspace import Workspace
from tests.cli.conftest import Run

SPACE = """
name = "tiny"
input_shape = [8, 8, 8]

[[layers]]
name = "body"
candidates = [{ kind = "conv", out_channels = 8, kernel = [1, 3] }, { kind = "skip" }]

[[layers]]
name = "pool"
candidates = [{ kind = "pool" }]

[[layers]]
name = "classifier"
candidates = [{ kind = "linear", out_features = 4 }]
"""
QUICK = ["--rounds", 1, "--round-seconds", 0.01, "--extra-rounds", 0]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_its_box_to_the_report(phone: Phone, cached_bundles: Path, tmp_path: Path, latkit: Run, document) -> None:
    root, space = ["-C", tmp_path], tmp_path / "tiny.toml"
    space.write_text(SPACE)
    assert latkit("init", tmp_path)[0] == 0
    device = document(*root, "device", "add", "phone", "--adb", phone.address)
    assert device["agent"] == "native"
    assert set(device["runtimes"]) == {"onnxruntime", "tflite"}
    facts = device["facts"]
    assert facts["emulated"] is True
    assert (facts["model"], facts["soc"]) == ("latkit Phone of packages", "QEMU user-mode")
    assert facts["os"] == "Android 14 (API level 34)"
    assert {core["capacity"] for core in facts["cores"]} == {380, 1024}

    targets = ["phone/onnxruntime", "phone/tflite"]
    mixed = f"{space}:fp32+int8"
    found = document(*root, "collect", "space", *targets, "--space", mixed, "--networks", 2, *QUICK)["targets"]
    assert all(one["finished"] and not one["failed"] for one in found)
    for name in targets:
        measurements = Workspace(tmp_path).measurements(Target.parse(name))
        networks = [one.workload for one in measurements if isinstance(one.workload, Network) and one.role == "fit"]
        assert any(len({op.precision for op in network.ops}) == 2 for network in networks)
        assert all(measurement.environment.emulated for measurement in measurements)
        rounds = [one_round for measurement in measurements for one_round in measurement.rounds]
        assert all(one_round.conditions["before"]["phone"]["thermal_status"] == 0 for one_round in rounds)  # type: ignore[index]

    document(*root, "fit", "phone/tflite", "--space", mixed)
    validation = document(*root, "validate", "phone/tflite", "--space", mixed, "--networks", 2, *QUICK)
    assert validation["emulated"] is True
    assert validation["mean_latency_ms"] > 0
    for workload in ([], ["phone/tflite"], ["phone/onnxruntime"]):
        page = tmp_path / "report.html"
        assert latkit(*root, "report", *workload, "-o", page)[0] == 0
        assert "(emulated)" in page.read_text()

    assert document(*root, "device", "remove", "phone") == {"removed": "phone", "files_removed": True}
    assert "latkit" not in phone.listed("/data/local/tmp")


def test_the_doctor_says_what_to_change(phone: Phone, cached_bundles: Path, tmp_path: Path, latkit: Run) -> None:
    root = ["-C", tmp_path]
    assert latkit("init", tmp_path)[0] == 0
    assert latkit(*root, "device", "add", "phone", "--adb", phone.address)[0] == 0
    phone.root.set_battery(20, plugged=False)
    phone.root.set_thermal(3)
    phone.root.set_screen(on=False)
    code, out, _ = latkit(*root, "device", "doctor", "phone", "--json")
    checks = {check["name"]: check for check in json.loads(out)}
    assert code == 1
    assert [checks[name]["ok"] for name in ("reachable", "agent", "runtimes", "facts")] == [True] * 4
    assert [checks[name]["ok"] for name in ("battery", "heat", "screen")] == [False] * 3
    assert "let it cool" in checks["heat"]["remedy"]
    assert checks["hardware"]["found"] == "emulated"
    assert latkit(*root, "device", "remove", "phone")[0] == 0
