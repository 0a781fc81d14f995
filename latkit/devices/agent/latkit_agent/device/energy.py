"""Energy: counters that the kernel reports, and how finely they count."""

from __future__ import annotations

import os
import time

from .device_info import SYSFS, read, read_int

MACHINE_ZONE = "psys"
"""A powercap zone of everything, which contains the others."""
READING_PAUSE_S = 0.002
"""Between two readings while models run: powercap's counters move once a millisecond."""
MICROJOULES_PER_MICROWATTHOUR = 3600


def energy_uj() -> dict[str, int]:
    """Counters in microjoules by sensor; empty if none can be read.

    Of the finest kind alone, since kinds measure the same energy again: powercap, then hwmon, then the battery.
    """
    return powercap_uj() or hwmon_uj() or battery_uj()


def powercap_uj() -> dict[str, int]:
    """Zones that are part of no other. A package that two interfaces report is counted once."""
    found: dict[str, int] = {}
    titles = set()
    for zone in entries("powercap"):
        title = read(f"{SYSFS}/class/powercap/{zone}/name") or zone
        value = read_int(f"{SYSFS}/class/powercap/{zone}/energy_uj") if zone.count(":") == 1 else None
        if value is not None and title not in titles and title != MACHINE_ZONE:
            titles.add(title)
            found[zone] = value
    return found


def hwmon_uj() -> dict[str, int]:
    """Energy counters of hardware monitors."""
    found: dict[str, int] = {}
    for monitor in entries("hwmon"):
        folder = f"{SYSFS}/class/hwmon/{monitor}"
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []  # noqa: PTH112, PTH208
        for name in names:
            value = read_int(f"{folder}/{name}") if name.startswith("energy") and name.endswith("_input") else None
            if value is not None:
                label = read(f"{folder}/{name[: -len('_input')]}_label") or name[: -len("_input")]
                found[f"{read(f'{folder}/name') or monitor} {label}"] = value
    return found


def battery_uj() -> dict[str, int]:
    """What discharging batteries have given since they were full: by their energy, or by charge and voltage."""
    found: dict[str, int] = {}
    for supply in entries("power_supply"):
        folder = f"{SYSFS}/class/power_supply/{supply}"
        if read(f"{folder}/type") != "Battery" or read(f"{folder}/status") != "Discharging":
            continue
        left = read_int(f"{folder}/energy_now")
        if left is None:
            charge, voltage = read_int(f"{folder}/charge_counter"), read_int(f"{folder}/voltage_now")
            left = None if charge is None or voltage is None else charge * voltage // 1000000
        if left is not None:
            found[f"battery {supply}"] = -left * MICROJOULES_PER_MICROWATTHOUR
    return found


def entries(kind: str) -> list[str]:
    """The names in a class of the kernel's devices."""
    folder = f"{SYSFS}/class/{kind}"
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []  # noqa: PTH112, PTH208


class EnergyMeter:
    """What counters move by between its beginning and its last reading."""

    def __init__(self) -> None:
        self.first, self.read_at = energy_uj(), time.perf_counter()
        self.last = dict(self.first)
        self.used = dict.fromkeys(self.first, 0)
        self.steps: dict[str, list[int]] = {}
        """By sensor: how often it moved, and by how much at least."""

    def read(self, pause_s: float = 0.0) -> None:
        """Read the counters, unless that was done less than a pause ago: reading takes energy too.

        A counter that begins anew goes on from its range; one that is gone is left out.
        """
        if not self.first or time.perf_counter() - self.read_at < pause_s:
            return
        self.read_at, now = time.perf_counter(), energy_uj()
        for name in [*self.used]:
            if name not in now:
                del self.used[name]
                continue
            moved = now[name] - self.last[name]
            if moved < 0:
                size = read_int(f"{SYSFS}/class/powercap/{name}/max_energy_range_uj")
                if size is None:
                    del self.used[name]
                    continue
                moved += size
            self.used[name] += moved
            self.last[name] = now[name]
            if moved > 0:
                count, smallest = self.steps.get(name, [0, moved])
                self.steps[name] = [count + 1, min(smallest, moved)]

    def answer(self) -> dict[str, object]:
        """The fields of an answer to `pace`."""
        self.read()
        steps = {name: self.steps.get(name, [0, 0]) for name in self.used}
        return {"energy_uj": self.used, **({"energy_steps": steps} if steps else {})}
