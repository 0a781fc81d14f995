"""The conditions around a round: frequencies, temperatures, load, memory."""

from __future__ import annotations

import os
import time

from ..requests import Fields
from .device_info import SYSFS, affinity, cpu_lines, memory, read, read_int

MAX_TRIPS = 12
"""The kernel's limit to the number of trip points of a thermal zone."""


def conditions(models: str) -> Fields:
    """The conditions around a round; see `conditions` in the protocol."""
    cpus = f"{SYSFS}/devices/system/cpu"
    frequencies = [read_int(f"{cpus}/cpu{index}/cpufreq/scaling_cur_freq") for index in range(os.cpu_count() or 1)]
    if None in frequencies:  # many virtual machines have no cpufreq, but report a frequency
        frequencies = [int(float(value) * 1000) for name, value in cpu_lines() if name == "cpu MHz"]
    read_now = sensors()
    known: Fields = {
        "frequencies_khz": frequencies,
        "temperatures_c": {name: degrees for name, (degrees, _) in read_now.items()},
        "trips_c": {name: trip for name, (_, trip) in read_now.items() if trip is not None},
        "load1": os.getloadavg()[0],
        "free_memory_bytes": memory("MemAvailable"),
        "free_disk_bytes": free_disk_bytes(models),
        "governor": read(f"{cpus}/cpu0/cpufreq/scaling_governor"),
        "affinity": affinity(),
        "monotonic_s": time.monotonic(),
        "unix_s": time.time(),
    }
    return {name: value for name, value in known.items() if value is not None}


def free_disk_bytes(folder: str) -> int:
    """Bytes that are free for this user where a folder is."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def sensors() -> dict[str, tuple[float, float | None]]:
    """Degrees Celsius by thermal zone, and the temperature at which the kernel begins to throttle, if
    it reports one.
    """
    found: dict[str, tuple[float, float | None]] = {}
    base = f"{SYSFS}/class/thermal"
    zones = sorted(os.listdir(base)) if os.path.isdir(base) else []  # noqa: PTH112, PTH208
    for zone in zones:
        millis = read_int(f"{base}/{zone}/temp") if zone.startswith("thermal_zone") else None
        if millis is not None:
            name = f"{zone} {read(f'{base}/{zone}/type') or ''}".strip()
            found[name] = (millis / 1000, trip_point(f"{base}/{zone}"))
    return found


def trip_point(zone: str) -> float | None:
    """The lowest passive trip point of a thermal zone in degrees Celsius, or None."""
    found = []
    for index in range(MAX_TRIPS):
        kind = read(f"{zone}/trip_point_{index}_type")
        if kind is None:
            break
        millis = read_int(f"{zone}/trip_point_{index}_temp")
        if kind == "passive" and millis is not None and millis > 0:  # unset ones are 0 or below
            found.append(millis / 1000)
    return min(found) if found else None


def own_memory(name: str) -> int | None:
    """A line of /proc/self/status, in bytes."""
    for line in (read("/proc/self/status") or "").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return None


def reset_peak_memory() -> None:
    """Let the process's peak memory begin anew, if the kernel allows it."""
    try:
        with open("/proc/self/clear_refs", "w") as file:  # noqa: PTH123
            file.write("5")
    except OSError:
        return
