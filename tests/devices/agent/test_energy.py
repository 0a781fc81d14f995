"""Energy is read from what the kernel reports: here folders with such files, whose figures are nobody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from latkit.devices.agent.latkit_agent.device import energy
from latkit.devices.sessions.answers import PacedRuns
from latkit.errors import NotMeasured
from latkit.profiling.profile.run import energy_of


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for /sys."""
    monkeypatch.setattr(energy, "SYSFS", str(tmp_path))
    return tmp_path


def write(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name).write_text(f"{value}\n")


def test_every_package_is_counted_once(sysfs: Path) -> None:
    assert energy.energy_uj() == {}
    zones = sysfs / "class" / "powercap"
    write(zones / "intel-rapl:0", name="package-0", energy_uj=1000)
    write(zones / "intel-rapl:0:0", name="core", energy_uj=600)
    write(zones / "intel-rapl:1", name="psys", energy_uj=5000)
    write(zones / "intel-rapl-mmio:0", name="package-0", energy_uj=1000)
    assert list(energy.energy_uj().values()) == [1000]


def test_hardware_monitors_come_before_the_battery(sysfs: Path) -> None:
    battery = sysfs / "class" / "power_supply" / "battery"
    write(battery, type="Battery", status="Charging", charge_counter=2_000_000, voltage_now=4_000_000)
    assert energy.energy_uj() == {}, "a charger gives energy too"
    write(battery, status="Discharging")
    assert energy.energy_uj() == {"battery battery": -8_000_000 * 3600}
    write(sysfs / "class" / "hwmon" / "hwmon0", name="board", energy1_input=7, energy1_label="cpu", power1_input=9)
    assert energy.energy_uj() == {"board cpu": 7}


def test_a_meter_follows_a_counter_over_its_end(sysfs: Path) -> None:
    zone = sysfs / "class" / "powercap" / "rapl:0"
    write(zone, name="package-0", energy_uj=900, max_energy_range_uj=1000)
    meter = energy.EnergyMeter()
    for value in (950, 950, 30):
        write(zone, energy_uj=value)
        meter.read()
    assert meter.answer() == {"energy_uj": {"rapl:0": 130}, "energy_steps": {"rapl:0": [2, 50]}}


def test_a_counter_that_hardly_moves_tells_no_energy() -> None:
    fields = {"wall_ns": [10**8] * 10, "cpu_ns": [0] * 10, "energy_uj": {"rapl:0": 2_000_000}}
    found = energy_of(PacedRuns(**fields, energy_steps={"rapl:0": [500, 61]}))
    assert (found.joules_per_run, found.interval_s, found.resolution_joules) == (0.2, 1.0, 61e-6)
    assert energy_of(PacedRuns(**fields)).resolution_joules is None
    with pytest.raises(NotMeasured, match=r"no energy: rapl:0 moved once in 1 s of runs"):
        energy_of(PacedRuns(**fields, energy_steps={"rapl:0": [1, 2_000_000]}))
