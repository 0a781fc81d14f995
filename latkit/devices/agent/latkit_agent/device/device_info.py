"""What the device is: facts that do not change while it runs."""

from __future__ import annotations

import os
import platform

from ..requests import Fields

SYSFS = os.environ.get("LATKIT_SYSFS", "/sys")
"""Where conditions are read; tests write their own files."""


def read(path: str) -> str | None:
    """The stripped text of a file, or None if it does not exist or may not be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read().replace("\0", "").strip()
    except OSError:
        return None


def read_int(path: str) -> int | None:
    """The integer in a file, or None."""
    text = read(path)
    return int(text) if text is not None and text.lstrip("-").isdigit() else None


def cpu_lines() -> list[tuple[str, str]]:
    """Names and values of /proc/cpuinfo."""
    pairs = (line.partition(":") for line in (read("/proc/cpuinfo") or "").splitlines())
    return [(name.strip(), value.strip()) for name, colon, value in pairs if colon]


def model_name() -> str:
    """The board's or the processor's name."""
    board = read("/proc/device-tree/model")
    if board:
        return board
    named = [value for name, value in cpu_lines() if name in ("model name", "Hardware", "cpu model") and value]
    return named[0] if named else platform.processor() or platform.machine()


def instruction_set() -> list[str]:
    """Processor features on which inference kernels depend."""
    features = next((value.split() for name, value in cpu_lines() if name in ("flags", "Features")), [])
    if platform.machine() in ("x86_64", "AMD64", "i686"):
        required_field = ("sse4", "ssse3", "avx", "fma", "f16c", "amx")
        features = [name for name in features if name.startswith(required_field)]
    return sorted(features)


def cores() -> list[Fields]:
    """One entry per present core, with its limits in kHz and its capacity if the kernel reports them."""
    found = []
    for index in range(os.cpu_count() or 1):
        folder = f"/sys/devices/system/cpu/cpu{index}"
        core: Fields = {
            "index": index,
            "min_khz": read_int(f"{folder}/cpufreq/cpuinfo_min_freq"),
            "max_khz": read_int(f"{folder}/cpufreq/cpuinfo_max_freq"),
            "capacity": read_int(f"{folder}/cpu_capacity"),
        }
        found.append({name: value for name, value in core.items() if value is not None})
    return found


def memory(name: str) -> int | None:
    """A line of /proc/meminfo, in bytes."""
    for line in (read("/proc/meminfo") or "").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return None


def os_name() -> str:
    """The distribution's name and version."""
    for line in (read("/etc/os-release") or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return platform.platform()


def affinity() -> list[int]:
    """The cores that this process may run on."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def pin_to(cores: list[int]) -> None:
    """Let this thread, and those that it creates from now on, run on these cores only, if the device allows it."""
    try:
        os.sched_setaffinity(0, cores)
    except (AttributeError, OSError, ValueError, OverflowError, MemoryError):
        return  # the granted affinity is read back


def facts() -> Fields:
    """Facts about the device; see `probe` in the protocol."""
    libc, libc_version = platform.libc_ver()
    known: Fields = {
        "model": model_name(),
        "architecture": platform.machine(),
        "instruction_set": instruction_set(),
        "cores": cores(),
        "memory_bytes": memory("MemTotal"),
        "os": os_name(),
        "kernel": platform.release(),
        "libc": f"{libc} {libc_version}".strip(),
        "hostname": platform.node(),
        "python_version": platform.python_version(),
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "boot_id": read("/proc/sys/kernel/random/boot_id"),
    }
    return {name: value for name, value in known.items() if value is not None}
