"""Phones: what Android reports about a phone and its state, in addition to what the agent reads from the kernel."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from latkit._io import one_line
from latkit.devices.device import Facts
from latkit.devices.transports import Address, Transport

ASK_S = 30.0
"""A phone under load takes seconds to answer `dumpsys`."""
EMULATOR_FLAGS = ("ro.kernel.qemu", "ro.boot.qemu")
EMULATOR_HARDWARE = ("goldfish", "ranchu", "cutf_cvm", "vsoc_x86", "vsoc_arm64")
"""Boards of Android's emulator, old and new, and of Cuttlefish."""
THERMAL_STATUS_NAMES = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
"""Android's names of the thermal statuses 0 to 6."""
MAX_DIGITS = 9
MAX_NAME_CHARS = 300
"""Maximum length of a property that is a name."""
ASK_STATE = """
echo '[battery]'; dumpsys battery
echo '[thermal]'; dumpsys thermalservice | grep -E 'IsStatusOverride|Thermal Status'
echo '[power]'; dumpsys power | grep 'mWakefulness='
echo "[saver] $(settings get global low_power)"
echo "[awake] $(settings get global stay_on_while_plugged_in)"
"""
"""One command, since each costs the phone a tenth of a second."""


@dataclass(frozen=True, slots=True)
class PhoneState:
    """A phone's state at a moment; None is a value that it does not report."""

    battery_percent: int | None = None
    battery_c: float | None = None
    charging: bool | None = None
    """Whether it is plugged in."""
    screen_on: bool | None = None
    battery_saver: bool | None = None
    stays_awake: bool | None = None
    """Whether the screen stays on while it is plugged in."""
    thermal_status: int | None = None
    """0: cool, to 6: about to shut down; from 1 on Android throttles it. None before Android 10, or if set by hand."""

    def conditions(self) -> dict[str, object]:
        """The known values by name, as saved with a round."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def properties(transport: Transport, address: Address) -> dict[str, str]:
    """A phone's properties; empty for other devices. Raises DeviceGone, DeadlineExceeded."""
    if not address.is_android:
        return {}
    output = transport.run(["getprop"], ASK_S).stdout.decode(errors="replace")
    return dict(re.findall(r"^\[([^]]+)\]: \[(.*)\]$", output.replace("\r", ""), re.MULTILINE))


def phone_facts(facts: Facts, known: Mapping[str, str]) -> Facts:
    """An agent's facts, with the name, chip and system from the phone's properties, which are more exact."""
    if not known:
        return facts
    model = _distinct_values(known, "ro.product.manufacturer", "ro.product.model")
    chip = _distinct_values(known, "ro.soc.manufacturer", "ro.soc.model") or _distinct_values(
        known, "ro.board.platform"
    )
    release = _distinct_values(known, "ro.build.version.release")
    level = _distinct_values(known, "ro.build.version.sdk") or "unknown"
    return facts.model_copy(
        update={
            "model": model or facts.model,
            "soc": chip,
            "os": f"Android {release} (API level {level})" if release else facts.os,
            "build": one_line(known.get("ro.build.fingerprint", ""), MAX_NAME_CHARS),
            "emulated": is_emulated(known),
        }
    )


def is_emulated(known: Mapping[str, str]) -> bool:
    """Whether the properties are those of an emulator, whose latencies are not those of a phone."""
    flagged = any(known.get(name) == "1" for name in EMULATOR_FLAGS)
    return flagged or known.get("ro.hardware") in EMULATOR_HARDWARE


def phone_state(transport: Transport) -> PhoneState:
    """The phone's state now. Raises DeviceGone, DeadlineExceeded."""
    return read_state(transport.run(["sh", "-c", ASK_STATE], ASK_S).stdout.decode(errors="replace"))


class PhoneWatch:
    """Reads a phone's state between rounds, but not before each one: every read loads the phone."""

    def __init__(self, transport: Transport, address: Address, every_s: float = 10.0) -> None:
        self._transport = transport
        self._is_phone = address.is_android
        self._every_s = every_s
        self._read_at = -math.inf
        self._conditions: dict[str, object] = {}

    def conditions(self) -> dict[str, object]:
        """The latest state, under `phone`; empty for other devices. Raises DeviceGone, DeadlineExceeded."""
        if self._is_phone and time.monotonic() - self._read_at >= self._every_s:
            self._conditions, self._read_at = phone_state(self._transport).conditions(), time.monotonic()
        return {"phone": self._conditions} if self._conditions else {}


def read_state(output: str) -> PhoneState:
    """The state in the output of `ASK_STATE`."""
    degrees = _number(output, r"^\s*temperature: (-?\d+)")
    plugged = re.findall(r"^\s*(?:AC|USB|Wireless|Dock) powered: (true|false)", output, re.MULTILINE)
    wakefulness = _found(output, r"mWakefulness=(\w+)")
    saver, awake = _number(output, r"^\[saver\] (\d+)"), _number(output, r"^\[awake\] (\d+)")
    return PhoneState(
        battery_percent=_number(output, r"^\s*level: (\d+)"),
        battery_c=None if degrees is None else degrees / 10,
        charging="true" in plugged if plugged else None,
        screen_on=wakefulness == "Awake" if wakefulness else None,
        battery_saver=None if saver is None else saver > 0,
        stays_awake=None if awake is None else awake > 0,
        thermal_status=_thermal_status(output),
    )


def _thermal_status(output: str) -> int | None:
    """A status that was set by hand, as developers do, does not reflect the phone's temperature."""
    overridden = _found(output, r"IsStatusOverride: (\w+)") == "true"
    return None if overridden else _number(output, r"^\s*Thermal Status: (\d+)")


def _found(output: str, pattern: str) -> str:
    match = re.search(pattern, output, re.MULTILINE)
    return match[1] if match else ""


def _number(output: str, pattern: str) -> int | None:
    """The number in a pattern's first group; None if there is none, or it has more digits than any valid one."""
    found = _found(output, pattern)
    return int(found) if found and len(found) <= MAX_DIGITS else None


def _distinct_values(known: Mapping[str, str], *names: str) -> str:
    """Values joined, each word once: manufacturers often repeat their name in the model's."""
    values: list[str] = []
    for word in one_line(" ".join(known.get(name, "") for name in names), MAX_NAME_CHARS).split():
        if word.lower() not in (other.lower() for other in values):
            values.append(word)
    return " ".join(values)
