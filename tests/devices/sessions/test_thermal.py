"""Cool-down: scripted sensors, so that no test waits for a device to get hot."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from latkit.devices import Cooling, Device, SessionOptions, open_session
from latkit.targets import Target
from latkit.timing import TimingPlan

TARGET = Target("board", "onnxruntime")
PLAN = TimingPlan(rounds=1, round_s=0.01, round_runs=3)
QUICK = Cooling(max_pause_s=0.2, poll_s=0.01)


def at(degrees: float, trip: float | None = 80.0) -> dict[str, object]:
    return {"temperatures_c": {"zone": degrees}, "trips_c": {} if trip is None else {"zone": trip}}


@pytest.mark.parametrize(
    ("conditions", "max_c", "hot"),
    [
        (at(75), None, True),
        (at(74), None, False),
        (at(200, None), None, False),
        (at(60, None), 60.0, True),
        (at(59, None), 60.0, False),
        (at(60), 60.0, True),
        ({}, 60.0, False),
        ({"temperatures_c": {"zone": "hot"}}, 60.0, False),
    ],
)
def test_what_is_hot(conditions: dict[str, object], max_c: float | None, hot: bool) -> None:
    assert Cooling(max_c).is_hot(conditions) is hot


def test_a_pause_ends_well_below_the_limit() -> None:
    readings = iter([at(79), at(74), at(71), at(70), at(69)])
    conditions, waited_s = QUICK.pause(lambda: next(readings))
    assert conditions == at(70)
    assert waited_s > 0


def test_a_pause_is_bounded() -> None:
    conditions, waited_s = QUICK.pause(lambda: at(90))
    assert conditions == at(90)
    assert 0.2 <= waited_s < 5


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of /sys for the started agents: one zone with a passive trip point at 80 degrees."""
    root = tmp_path / "sys"
    zone, cpu = root / "class/thermal/thermal_zone0", root / "devices/system/cpu"
    zone.mkdir(parents=True)
    for name, text in {"type": "soc", "temp": "60000"}.items():
        (zone / name).write_text(text)
    for index, (kind, millis) in enumerate([("critical", 110_000), ("passive", 80_000), ("passive", 0)]):
        (zone / f"trip_point_{index}_type").write_text(f"{kind}\n")
        (zone / f"trip_point_{index}_temp").write_text(f"{millis}\n")
    for index in range(os.cpu_count() or 1):
        (cpu / f"cpu{index}/cpufreq").mkdir(parents=True)
        (cpu / f"cpu{index}/cpufreq/scaling_cur_freq").write_text(f"{1000 * (index + 1)}\n")
    (cpu / "cpu0/cpufreq/scaling_governor").write_text("powersave\n")
    monkeypatch.setenv("LATKIT_SYSFS", str(root))
    return root


@pytest.mark.parametrize("here", ["local"], indirect=True)
class TestOnADevice:
    def test_the_agent_reads_sensors_trips_frequencies_and_governor(
        self, here: Device, sysfs: Path, make_model
    ) -> None:
        model = make_model()
        with open_session(here, TARGET) as session:
            conditions = session.conditions()
            assert session.environment(model, model).governor == "powersave"
        assert conditions["temperatures_c"] == {"thermal_zone0 soc": 60.0}
        assert conditions["trips_c"] == {"thermal_zone0 soc": 80.0}
        assert conditions["frequencies_khz"] == [1000 * (index + 1) for index in range(os.cpu_count() or 1)]

    def test_a_hot_device_is_waited_for_in_vain_once(self, here: Device, sysfs: Path, make_model) -> None:
        (sysfs / "class/thermal/thermal_zone0/temp").write_text("79000")
        model, messages = make_model(), []
        with open_session(here, TARGET, SessionOptions(cooling=QUICK), on_message=messages.append) as session:
            first, second = (session.measure_round(model, model, PLAN) for _ in range(2))
        assert first.conditions["cooled_s"] >= 0.2  # type: ignore[operator]
        assert "cooled_s" not in second.conditions
        assert messages == ["board is hot, and has not cooled in 0 s: it is measured hot"]

    def test_a_device_that_cools_is_measured_then(self, here: Device, sysfs: Path, make_model, tmp_path: Path) -> None:
        sensor, model = sysfs / "class/thermal/thermal_zone0/temp", make_model()
        with open_session(
            here, TARGET, SessionOptions(cooling=Cooling(poll_s=0.02)), on_message=pytest.fail
        ) as session:
            session.load(model)
            later = tmp_path / "later"
            later.write_text("60000")
            sensor.write_text("79000")
            cool = threading.Timer(0.5, later.replace, [sensor])  # at once: a reading may fall between two writes
            cool.start()
            one_round = session.measure_round(model, model, PLAN)
            cool.join()
        assert one_round.conditions["cooled_s"] > 0  # type: ignore[operator]
        assert one_round.conditions["before"]["temperatures_c"] == {"thermal_zone0 soc": 60.0}  # type: ignore[index]

    def test_a_device_without_sensors_never_waits(self, here: Device, sysfs: Path, make_model) -> None:
        (sysfs / "class/thermal/thermal_zone0/temp").unlink()
        model = make_model()
        with open_session(here, TARGET, SessionOptions(cooling=Cooling(0.0)), on_message=pytest.fail) as session:
            assert "cooled_s" not in session.measure_round(model, model, PLAN).conditions
