"""The phone made of packages: the real adbd serving an arm64 user space under qemu, in namespaces of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from latkit.devices.transports import Adb, connect
from latkit.testing.host import Unavailable
from latkit.testing.phone.adbd import Daemon, adbd, children, loopback
from latkit.testing.phone.packages import native_programs
from latkit.testing.phone.root import SHELL, Root, make_root

BINFMT = Path("/proc/sys/fs/binfmt_misc")
CPU = "cortex-a76"
"""The default model of qemu is twenty times slower on convolutions."""
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
ENTER = """set -e
root=$1 files=$2 user=$3 devices=$4; shift 4
mount --make-rprivate /
mount --bind "$files" "$root/adbd"
mount -t proc proc "$root/proc"
mount --bind "$root/system/phone/cpuinfo" "$root/proc/cpuinfo"
for device in $devices; do mount --bind "/dev/$device" "$root/dev/$device"; done
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs -o "size=400m,mode=0771,uid=$user,gid=$user" latkit-phone "$root/data/local/tmp"
exec env -i PATH=/system/bin HOME=/ QEMU_CPU="$QEMU_CPU" ADBD_PORT="$ADBD_PORT" \\
    "$(command -v chroot)" --userspec="$user:$user" --groups="$user" "$root" "$@"
"""
"""Makes the phone's root, in a mount namespace and a process namespace: all of it ends with its first process."""


@dataclass(frozen=True)
class Phone:
    """A phone that runs."""

    daemon: Daemon
    root: Root

    @property
    def address(self) -> str:
        """As an argument of `--adb`."""
        return self.daemon.address

    def listed(self, folder: str) -> list[str]:
        """Names in a folder of the phone, as its own programs see it."""
        with connect(Adb.parse(self.address)) as transport:
            return transport.run(["ls", "-A", folder], 20).stdout.decode().split()

    def reset(self) -> None:
        """Restore the usual state: healthy, charging, cool, awake; the folder for the agent writable and executable."""
        self.root.write_state()
        self.remount("rw,exec,size=400m")

    def remount(self, options: str) -> None:
        """Change how the folder for the agent is mounted: `ro`, `noexec`, `size=1m`."""
        init = str(children(self.daemon.process.pid)[0])
        folder = self.root.folder / "data" / "local" / "tmp"
        command = ["nsenter", "-t", init, "-m", "mount", "-o", f"remount,{options}", str(folder)]
        subprocess.run(command, check=True, capture_output=True, timeout=10)


@contextmanager
def running_phone(folder: Path) -> Iterator[Phone]:
    """Build the phone there and run it. Raises Unavailable with a reason."""
    _check()
    root = make_root(folder / "root")
    for name in DEVICES:
        (root.folder / "dev" / name).touch()
    (root.folder / "dev" / "pts").mkdir()
    (root.folder / "dev" / "ptmx").symlink_to("pts/ptmx")
    shutil.copy(loopback(folder), root.folder)
    within = ["env", f"QEMU_CPU={CPU}", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--"]
    within += ["sh", "-c", ENTER, "sh", str(root.folder), str(native_programs()), str(SHELL), " ".join(DEVICES)]
    with adbd(folder, within, "/adbd") as daemon:
        yield Phone(daemon, root)


def _check() -> None:
    if os.geteuid() != 0:
        raise Unavailable("the phone made of packages needs root: it mounts and changes its root")
    if not (BINFMT / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)], check=False, capture_output=True)
        subprocess.run(["update-binfmts", "--enable", "qemu-aarch64"], check=False, capture_output=True)
    entry = BINFMT / "qemu-aarch64"
    if not entry.exists() or "F" not in entry.read_text().partition("flags:")[2].split()[0]:
        raise Unavailable("programs for arm64 do not run here: apt-get install qemu-user-static binfmt-support")
