"""The phone's files: an arm64 user space like Android's, and output of its kernel and services, written by tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from latkit.testing.phone.packages import native_programs, unpacked

SHELL = 2000
"""The user of `adb shell` on every phone."""
APPLETS = """
[ cat chmod cp cut date dd df echo env false find getconf grep gunzip gzip head id kill ls md5sum mkdir mkfifo mktemp mv
nice nohup nproc printenv printf ps pwd readlink rm rmdir sed setsid sha256sum sleep sort stat tail tar taskset tee test
timeout touch true uname uniq uptime wc which xargs zcat
"""
"""Commands of toybox, as far as Debian has them; Android has at least these."""
NATIVE = "sha256sum"
"""A command that computes: emulated, it takes ten times as long. This machine's own prints the same."""
LIBRARIES = ("libc.so.6", "libcrypt.so.1", "libresolv.so.2", "libm.so.6")
INTERPRETER, OURS = b"/lib/ld-linux-aarch64.so.1", b"/system/lib64/ld.so"
LIBRARY_PATH, ANDROID_LIBRARY_PATH = b"/lib/aarch64-linux-gnu/", b"/system/lib64/"
"""A phone has no /lib: a program that needs its libraries from there must fail."""

PROPERTIES = {
    "ro.product.manufacturer": "latkit",
    "ro.product.model": "Phone of packages",
    "ro.soc.manufacturer": "QEMU",
    "ro.soc.model": "user-mode",
    "ro.board.platform": "qemu",
    "ro.hardware": "qemu",
    "ro.build.version.release": "14",
    "ro.build.version.sdk": "34",
    "ro.build.fingerprint": "latkit/phone/packages:14/TESTS/1:user/release-keys",
    "ro.product.cpu.abilist": "arm64-v8a",
    "ro.serialno": "LATKIT0001",
    "ro.kernel.qemu": "1",
}
GETPROP = """#!/system/bin/sh
while IFS= read -r line; do
  case $# in 0) echo "$line";; *) case $line in "[$1]: "*) line=${line#*: [}; echo "${line%]}";; esac;; esac
done < /system/phone/properties
"""
DUMPSYS = """#!/system/bin/sh
if [ -f "/system/phone/dumpsys-$1" ]; then cat "/system/phone/dumpsys-$1"; else echo "Can't find service: $1" >&2; fi
"""
SETTINGS = """#!/system/bin/sh
if [ -f "/system/phone/settings-$2-$3" ]; then cat "/system/phone/settings-$2-$3"; else echo null; fi
"""
CPUINFO = """processor\t: {index}
BogoMIPS\t: 48.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: {part}
CPU revision\t: 1

"""


@dataclass(frozen=True)
class Root:
    """The root of the phone's file system. The content of `sys` and `phone` can be rewritten at any time."""

    folder: Path

    @property
    def sys(self) -> Path:
        """The files of its kernel."""
        return self.folder / "sys"

    @property
    def phone(self) -> Path:
        """Output of the stubs of Android's own commands."""
        return self.folder / "system" / "phone"

    def write_state(self) -> None:
        """The usual state: healthy, charging, cool and awake."""
        self.set_properties()
        self.set_battery()
        self.set_thermal()
        self.set_screen()
        self.set_setting("global", "low_power", "0")
        self.set_setting("global", "stay_on_while_plugged_in", "2")

    def set_properties(self, **changed: str) -> None:
        """Write the properties: the usual ones, and these, in which `__` stands for a dot."""
        found = {**PROPERTIES, **{name.replace("__", "."): value for name, value in changed.items()}}
        (self.phone / "properties").write_text("".join(f"[{name}]: [{value}]\n" for name, value in found.items()))

    def set_battery(self, level: int = 80, plugged: bool = True, celsius: float = 29.0) -> None:
        """Write the output of `dumpsys battery`, and the kernel's files."""
        (self.phone / "dumpsys-battery").write_text(
            "Current Battery Service state:\n  AC powered: false\n"
            f"  USB powered: {str(plugged).lower()}\n  Wireless powered: false\n  status: {2 if plugged else 3}\n"
            f"  health: 2\n  present: true\n  level: {level}\n  scale: 100\n  temperature: {round(celsius * 10)}\n"
        )
        supply = self.sys / "class" / "power_supply" / "battery"
        supply.mkdir(parents=True, exist_ok=True)
        for name, value in {"capacity": level, "temp": round(celsius * 10), "type": "Battery"}.items():
            (supply / name).write_text(f"{value}\n")

    def set_thermal(self, status: int = 0, celsius: float = 35.0, overridden: bool = False) -> None:
        """Write the output of `dumpsys thermalservice` (0: none to 6: shutdown), and the kernel's thermal zone."""
        (self.phone / "dumpsys-thermalservice").write_text(
            f"IsStatusOverride: {str(overridden).lower()}\nThermalEventListeners:\n\tcallbacks: 1\n"
            f"Thermal Status: {status}\nCached temperatures:\n"
            f"\tTemperature{{mValue={celsius}, mType=0, mName=CPU0, mStatus={status}}}\n"
            f"\tTemperature{{mValue={celsius - 4}, mType=3, mName=skin, mStatus={status}}}\nHAL Ready: true\n"
        )
        zone = self.sys / "class" / "thermal" / "thermal_zone0"
        zone.mkdir(parents=True, exist_ok=True)
        values = {"type": "cpu-0", "temp": round(celsius * 1000), "trip_point_0_type": "passive"}
        for name, value in {**values, "trip_point_0_temp": 95000}.items():
            (zone / name).write_text(f"{value}\n")

    def set_screen(self, on: bool = True) -> None:
        """Write the output of `dumpsys power`."""
        (self.phone / "dumpsys-power").write_text(
            "POWER MANAGER (dumpsys power)\n\nPower Manager State:\n"
            f"  mWakefulness={'Awake' if on else 'Asleep'}\n  mIsPowered=true\nSettings power_manager_constants:\n"
        )

    def set_setting(self, place: str, name: str, value: str) -> None:
        """Write the output of `settings get`."""
        (self.phone / f"settings-{place}-{name}").write_text(f"{value}\n")

    @contextmanager
    def program(self, name: str, script: str) -> Iterator[None]:
        """Another program in place of one of the phone's."""
        path, backup = self.folder / "system" / "bin" / name, self.folder / "system" / "bin" / f".{name}"
        path.rename(backup)
        _write(path, f"#!/system/bin/sh\n{script}\n".encode())
        yield
        backup.replace(path)


def make_root(folder: Path) -> Root:
    """Build the phone's files there. Raises Unavailable."""
    files = unpacked("arm64", "mksh", "toybox")
    root = Root(folder)
    for name in ("system/bin", "system/lib64", "system/phone", "etc", "dev", "proc", "sys", "adbd", "data/local/tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "bin").symlink_to("system/bin")
    _programs(files / "usr", folder / "system")
    (folder / "etc" / "passwd").write_text(f"root:x:0:0::/:/system/bin/sh\nshell:x:{SHELL}:{SHELL}::/:/system/bin/sh\n")
    (folder / "etc" / "group").write_text(f"root:x:0:\nshell:x:{SHELL}:\n")
    os.chown(folder / "data" / "local" / "tmp", SHELL, SHELL)
    _kernel(root)
    root.write_state()
    return root


def _programs(usr: Path, system: Path) -> None:
    libraries = usr / "lib" / "aarch64-linux-gnu"
    for name in LIBRARIES:
        shutil.copy(libraries / name, system / "lib64" / name)
    _write(
        system / "lib64" / "ld.so",
        _moved((libraries / "ld-linux-aarch64.so.1").read_bytes(), LIBRARY_PATH, ANDROID_LIBRARY_PATH, b"/"),
    )
    shutil.copy(usr / "bin" / "mksh-static", system / "bin" / "sh")  # starts in half the time of the other
    _write(system / "bin" / "toybox", _moved((usr / "bin" / "toybox").read_bytes(), INTERPRETER, OURS, b"\0"))
    for name in APPLETS.split():
        (system / "bin" / name).symlink_to("toybox")
    (system / "bin" / NATIVE).unlink()
    shutil.copy(native_programs() / "usr" / "bin" / "busybox", system / "bin" / NATIVE)
    for name, script in (("getprop", GETPROP), ("dumpsys", DUMPSYS), ("settings", SETTINGS)):
        _write(system / "bin" / name, script.encode())


def _moved(program: bytes, path: bytes, to: bytes, filler: bytes) -> bytes:
    """A program in which one path is replaced by another that is as long or shorter."""
    assert path in program
    return program.replace(path, to + filler * (len(path) - len(to)))


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o755)


def _kernel(root: Root) -> None:
    """As many cores as this machine has: the first half of them little, the others big."""
    count = os.cpu_count() or 1
    cpu = root.sys / "devices" / "system" / "cpu"
    cpu.mkdir(parents=True)
    for name in ("possible", "present", "online"):
        (cpu / name).write_text(f"0-{count - 1}\n" if count > 1 else "0\n")
    for index in range(count):
        big = index >= count // 2
        frequency = cpu / f"cpu{index}" / "cpufreq"
        frequency.mkdir(parents=True)
        (cpu / f"cpu{index}" / "cpu_capacity").write_text("1024\n" if big else "380\n")
        max_khz = 2_850_000 if big else 1_800_000
        values = {
            "cpuinfo_min_freq": 300_000,
            "cpuinfo_max_freq": max_khz,
            "scaling_cur_freq": max_khz,
            "scaling_min_freq": 300_000,
            "scaling_max_freq": max_khz,
        }
        for name, value in values.items():
            (frequency / name).write_text(f"{value}\n")
        (frequency / "scaling_governor").write_text("schedutil\n")
    parts = ["0xd0b" if index >= count // 2 else "0xd05" for index in range(count)]
    text = "".join(CPUINFO.format(index=index, part=part) for index, part in enumerate(parts))
    (root.phone / "cpuinfo").write_text(text)
