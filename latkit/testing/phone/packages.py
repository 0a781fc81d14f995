"""Parts of the phone: packages of Debian's next release, unpacked into a folder; the system is unchanged."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from latkit._io.cache import PHONE, cache_root
from latkit.testing.host import Unavailable, locked

RELEASE = "trixie"
"""The first release that packages adbd."""
FETCH_S = 120


def cache_folder() -> Path:
    """Where fetched packages are kept: LATKIT_TEST_CACHE, or `phone` in latkit's cache."""
    return Path(os.environ.get("LATKIT_TEST_CACHE") or cache_root() / PHONE)


def unpacked(architecture: str, *names: str) -> Path:
    """A folder with those packages of that architecture, and all that they depend on. Raises Unavailable."""
    folder = cache_folder() / f"{RELEASE}-{architecture}-{'-'.join(names)}"
    with locked(folder.with_name(f"{folder.name}.lock")):  # another process may be fetching them
        if not folder.is_dir():
            _unpack(folder, architecture, names)
    return folder


def native_programs() -> Path:
    """A folder with adbd and a static busybox for this machine's own processor. Raises Unavailable."""
    return unpacked("amd64", "adbd", "busybox-static")


def _unpack(folder: Path, architecture: str, names: tuple[str, ...]) -> None:
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    try:
        _fetch(part, architecture, names)
        part.rename(folder)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"fetching {', '.join(names)} took longer than {FETCH_S} s") from None
    except subprocess.CalledProcessError as error:
        output = error.stderr.decode(errors="replace").strip().splitlines() or [""]
        raise Unavailable(f"{', '.join(names)} cannot be fetched: {output[-1]}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _fetch(folder: Path, architecture: str, names: tuple[str, ...]) -> None:
    apt = folder / "apt"
    for place in ("lists/partial", "cache/archives/partial"):
        (apt / place).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "next.sources").write_text(_sources())
    options = {
        "Dir::Etc::SourceList": apt / "next.sources",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "root",
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "Acquire::Languages": "none",
    }
    flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    _run("apt-get", *flags, "update", "-qq")
    _run("apt-get", *flags, "install", "-qq", "-y", "--no-install-recommends", "--download-only", *names)
    for package in sorted((apt / "cache" / "archives").glob("*.deb")):
        _run("dpkg", "-x", str(package), str(folder))
    shutil.rmtree(apt)


def _sources() -> str:
    """The system's own list of sources, for the next release: fetched from the same mirrors."""
    ours = re.search(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.MULTILINE)
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        if ours and path.is_file() and "debian" in path.read_text():
            return path.read_text().replace(ours[1], RELEASE)
    raise Unavailable("adbd is fetched as a package of Debian, and this system has no Debian sources")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=FETCH_S, stdin=subprocess.DEVNULL)
