"""Android's reports of a phone, as phones of several makers and ages print them; and the doctor's findings."""

from __future__ import annotations

import pytest

from latkit.devices import Cooling
from latkit.devices.android.phone import PhoneState, is_emulated, phone_facts, read_state
from latkit.devices.android.phone_checks import check_emulated, check_phone
from latkit.devices.cpu_topology import clusters
from latkit.devices.device import Core
from latkit.measurements.anomalies import thermal_status
from tests.devices.conftest import FACTS

PIXEL = """[battery]
Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Dock powered: false
  Max charging current: 500000
  status: 2
  health: 2
  present: true
  level: 61
  scale: 100
  voltage: 4123
  temperature: 312
[thermal]
IsStatusOverride: false
Thermal Status: 2
[power]
  mWakefulness=Awake
[saver] 0
[awake] 7
"""
OLD = """[battery]
Current Battery Service state:
  AC powered: false\r
  USB powered: false\r
  level: 12\r
  temperature: 401\r
[thermal]
[power]
  mWakefulness=Asleep
[saver] null
[awake] null
"""


class TestState:
    def test_a_phone_of_today(self) -> None:
        assert read_state(PIXEL) == PhoneState(61, 31.2, True, True, False, True, 2)

    def test_an_old_phone(self) -> None:
        state = read_state(OLD)
        assert state == PhoneState(12, 40.1, False, False, None, None, None)
        assert state.conditions() == {"battery_percent": 12, "battery_c": 40.1, "charging": False, "screen_on": False}

    def test_a_status_that_was_set_by_hand(self) -> None:
        assert read_state(PIXEL.replace("IsStatusOverride: false", "IsStatusOverride: true")).thermal_status is None

    def test_a_phone_that_reports_nothing_has_an_empty_state(self) -> None:
        assert read_state("[battery]\nsh: dumpsys: not found\n").conditions() == {}

    @pytest.mark.parametrize("number", ["9" * 5000, "-" + "9" * 400, "many", "٣" * 20])
    def test_numbers_that_no_phone_has(self, number: str) -> None:
        output = (
            f"level: {number}\ntemperature: {number}\nThermal Status: {number}\n[saver] {number}\n[awake] {number}\n"
        )
        assert read_state(output) == PhoneState()


class TestFacts:
    def test_endless_and_hostile_names(self) -> None:
        known = {"ro.product.model": "a\x1b[2J " + "b" * 10_000, "ro.build.fingerprint": "\u202e" + "c" * 10_000}
        found = phone_facts(FACTS, known)
        assert found.model.startswith(r"a\x1b[2J bb")
        assert found.build.startswith(r"\u202ecc")
        assert len(found.model) <= 300
        assert len(found.build) <= 300

    def test_names(self) -> None:
        known = {
            "ro.product.manufacturer": "Google",
            "ro.product.model": "Pixel 8",
            "ro.soc.manufacturer": "Google",
            "ro.soc.model": "Tensor G3",
            "ro.build.version.release": "14",
            "ro.build.version.sdk": "34",
        }
        found = phone_facts(FACTS, known)
        assert (found.model, found.soc, found.os) == ("Google Pixel 8", "Google Tensor G3", "Android 14 (API level 34)")
        assert not found.emulated
        assert found.cores == FACTS.cores

    def test_a_maker_that_stands_in_the_model_too(self) -> None:
        known = {
            "ro.product.manufacturer": "OnePlus",
            "ro.product.model": "ONEPLUS A6003",
            "ro.board.platform": "sdm845",
        }
        found = phone_facts(FACTS, known)
        assert (found.model, found.soc, found.os) == ("OnePlus A6003", "sdm845", FACTS.os)

    def test_no_phone(self) -> None:
        assert phone_facts(FACTS, {}) == FACTS

    @pytest.mark.parametrize(
        ("known", "emulated"),
        [
            ({"ro.kernel.qemu": "1"}, True),
            ({"ro.boot.qemu": "1"}, True),
            ({"ro.hardware": "ranchu"}, True),
            ({"ro.hardware": "goldfish"}, True),
            ({"ro.hardware": "qcom", "ro.kernel.qemu": "0"}, False),
            ({}, False),
        ],
    )
    def test_emulators(self, known: dict[str, str], emulated: bool) -> None:
        assert is_emulated(known) is emulated


def test_clusters_of_a_phone() -> None:
    """Tensor: four little, two middle and two big cores."""
    kinds = [(162, 1_803_000)] * 4 + [(498, 2_348_000)] * 2 + [(1024, 2_850_000)] * 2
    cores = [Core(index=i, capacity=capacity, max_khz=khz) for i, (capacity, khz) in enumerate(kinds)]
    found = clusters(reversed(cores))
    assert [(kind.name, kind.cores) for kind in found] == [
        ("little", (0, 1, 2, 3)),
        ("middle", (4, 5)),
        ("big", (6, 7)),
    ]
    assert [kind.name for kind in clusters([Core(index=0)])] == ["all"]


class TestDoctor:
    GOOD = PhoneState(80, 30.0, True, True, False, True, 0)

    def points(self, **changed: object) -> dict[str, bool | None]:
        state = PhoneState(**{**self.GOOD.conditions(), **changed})  # type: ignore[arg-type]
        checks = list(check_phone(state))
        assert all(check.ok or check.remedy for check in checks)
        return {check.name: check.ok for check in checks}

    def test_all_is_well(self) -> None:
        assert set(self.points().values()) == {True}

    @pytest.mark.parametrize(
        ("changed", "point", "ok"),
        [
            ({"screen_on": False}, "screen", False),
            ({"stays_awake": False}, "screen", None),
            ({"battery_saver": True}, "battery saver", False),
            ({"battery_percent": 29}, "battery", False),
            ({"charging": False}, "battery", None),
            ({"thermal_status": 1}, "heat", False),
            ({"thermal_status": 9}, "heat", False),
            ({"thermal_status": None}, "heat", None),
            ({"battery_c": 41.0}, "heat", False),
        ],
    )
    def test_problems_of_the_phone_state_are_named(
        self, changed: dict[str, object], point: str, ok: bool | None
    ) -> None:
        found = self.points(**changed)
        assert found.pop(point) is ok
        assert set(found.values()) == {True}

    def test_nothing_is_known(self) -> None:
        checks = list(check_phone(PhoneState()))
        assert {check.ok for check in checks} == {None}
        assert all(check.remedy for check in checks)

    def test_emulators(self) -> None:
        assert check_emulated(False).ok
        assert check_emulated(True).found == "emulated"


def test_a_phone_that_slows_itself_down_is_hot_until_it_says_otherwise() -> None:
    cooling = Cooling()
    for status, hot in ((0, False), (1, True), (3, True)):
        conditions = {"phone": {"thermal_status": status}}
        assert thermal_status(conditions) == status
        assert cooling.is_hot(conditions) is hot
        assert cooling.is_cool(conditions) is not hot
    assert not cooling.is_hot({"phone": {"thermal_status": "?"}})
