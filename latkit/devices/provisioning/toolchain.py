"""The toolchain: the compiler of the native agent for a processor, and the C library that belongs to it."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from latkit.devices.agent import NATIVE_SOURCES
from latkit.errors import BundleError, UsageError

ARCHITECTURES = ("aarch64", "x86_64")
"""Processors that the native agent is built for, as `uname -m` calls them."""
LOADERS = {"aarch64": "ld-linux-aarch64.so.1", "x86_64": "ld-linux-x86-64.so.2"}
C_LIBRARY = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libstdc++.so.6", "libgcc_s.so.1")
"""Libraries that the agent and the runtimes need."""
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wpedantic", "-Wshadow", "-Wconversion")
COMPILE_S = 300.0


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A gcc that builds for a processor."""

    architecture: str
    compiler: str
    """Absolute path."""

    @classmethod
    def find(cls, architecture: str) -> Toolchain:
        """The toolchain on this host. Raises UsageError for an unknown processor, BundleError with what to install."""
        if architecture not in ARCHITECTURES:
            raise UsageError(f"expected an architecture of {', '.join(ARCHITECTURES)}, but found {architecture!r}")
        names = [f"{architecture}-linux-gnu-gcc"] + ["gcc"] * (architecture == platform.machine())
        found = next((path for name in names if (path := shutil.which(name))), None)
        if found is None:
            raise BundleError(
                f"expected {' or '.join(names)} on this machine to build the agent for {architecture}, but found none; "
                f"install it: {remedy(architecture)}"
            )
        return cls(architecture, found)

    def compile(self, output: Path, defines: Mapping[str, str], flags: Sequence[str] = ("-O2", "-s")) -> None:
        """Build the agent: the same bytes from the same sources, whatever their path. Raises BundleError."""
        sources = sorted(path.relative_to(NATIVE_SOURCES).as_posix() for path in NATIVE_SOURCES.rglob("*.c"))
        command = [self.compiler, "-std=c11", *WARNINGS, *flags, "-D_GNU_SOURCE", "-I."]
        command += [f'-D{name}="{value}"' for name, value in sorted(defines.items())]
        command += [f"-ffile-prefix-map={NATIVE_SOURCES}=.", "-Wl,--build-id=none", "-o", str(output), *sources]
        result = _run([*command, "-lm", "-ldl", "-lpthread"], NATIVE_SOURCES)
        if result.returncode:
            raise BundleError(f"{self.compiler} could not build the agent:\n{result.stderr.strip()[-2000:]}")

    def libraries(self) -> dict[str, Path]:
        """The loader and the C library of that processor, by name. Raises BundleError with what to install."""
        found = {name: self._library(name) for name in (LOADERS[self.architecture], *C_LIBRARY)}
        missing = [name for name, path in found.items() if not path.is_file()]
        if missing:
            raise BundleError(
                f"expected {missing[0]} for {self.architecture} beside {self.compiler}, but found none; "
                f"install it: {remedy(self.architecture)}"
            )
        return found

    def _library(self, name: str) -> Path:
        return Path(_run([self.compiler, f"-print-file-name={name}"]).stdout.strip())


def remedy(architecture: str) -> str:
    """The command to type on Debian or Ubuntu."""
    name = {"x86_64": "x86-64"}.get(architecture, architecture)
    packages = "gcc libc6-dev" if architecture == platform.machine() else f"gcc-{name}-linux-gnu"
    return f"apt-get install {packages}"


def _run(command: Sequence[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - argv is a list
            command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=COMPILE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BundleError(f"{command[0]} does not work: {error}") from error
