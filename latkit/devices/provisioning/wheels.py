"""Wheels for a device, downloaded on the host: a board need not reach the internet."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from latkit._io import one_line
from latkit.devices.provisioning.pip import download
from latkit.devices.sessions.agent_launcher import COMMAND_S
from latkit.devices.transports import Transport
from latkit.errors import DeviceError, UsageError
from latkit.runtimes import Runtime, get_runtime, list_runtimes

PINS_FILE = Path(__file__).with_name("wheels.toml")
"""The exact wheels; written by benchmarks/pin_wheels.py."""
OLDEST_GLIBC = {"x86_64": 5, "aarch64": 17}
"""The minor version of the oldest glibc that wheels are built against, by architecture (PEP 600)."""
GLIBC = (27, 28)
"""The minor versions of glibc with pinned wheels; a device gets those of the highest one up to its own."""
OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
ASK = """
import json, os, platform, struct, sys
try:
    glibc = os.confstr("CS_GNU_LIBC_VERSION").split()[1]
except Exception:
    glibc = ""
print(json.dumps({
    "python": getattr(sys, "_base_executable", None) or sys.executable,
    "version": list(sys.version_info[:2]),
    "implementation": platform.python_implementation(),
    "machine": platform.machine(),
    "bits": 8 * struct.calcsize("P"),
    "glibc": glibc,
}))
"""


class Pins(BaseModel):
    """The exact wheels that devices may get."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    hashes: dict[str, list[str]]
    """By `NAME==VERSION`, the SHA-256 of each of its accepted wheels."""
    sets: dict[str, dict[str, list[str]]]
    """What each runtime needs, by `cpVERSION-MACHINE-glibcVERSION`."""

    def of(self, interpreter: Interpreter, runtime: Runtime) -> list[str] | None:
        """The lines of a requirements file that pin a runtime's packages there; None if it is not published."""
        if runtime.wheels is None:
            return None
        for minor in sorted(GLIBC, reverse=True):
            key = f"cp{interpreter.version[0]}{interpreter.version[1]}-{interpreter.machine}-glibc2.{minor}"
            found = self.sets.get(key, {}).get(runtime.wheels.pinned_as)
            if found is not None and interpreter.glibc >= (2, minor):
                return [" ".join([name, *(f"--hash=sha256:{one}" for one in self.hashes[name])]) for name in found]
        return None


def default_runtimes() -> list[str]:
    """The runtimes that are installed if none is named."""
    return [runtime.name for runtime in list_runtimes() if runtime.wheels and runtime.wheels.by_default]


@cache
def pins() -> Pins:
    """The exact wheels of this version of latkit."""
    return Pins.model_validate(tomllib.loads(PINS_FILE.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of the device, as far as it decides which wheels fit."""

    path: str
    """Absolute path of the interpreter that a virtual environment was made with."""
    version: tuple[int, int]
    machine: str
    glibc: tuple[int, int]

    def __str__(self) -> str:
        python, glibc = ".".join(map(str, self.version)), ".".join(map(str, self.glibc))
        return f"Python {python} on {self.machine} with glibc {glibc}"

    @classmethod
    def query(cls, transport: Transport, python: str) -> Interpreter:
        """What the device's interpreter reports. Raises DeviceError if no wheels are pinned for it."""
        problem = transport.run([python, "-c", ASK], COMMAND_S).checked(f"asking {python}").stdout
        try:
            answer = _Answer.model_validate_json(problem)
        except ValidationError as error:
            found = one_line(problem.decode(errors="replace"), 200)
            raise DeviceError(f"expected {python} to tell its version, but found {found!r}") from error
        machine = {("aarch64", 32): "armv7l", ("x86_64", 32): "i686"}.get((answer.machine, answer.bits), answer.machine)
        glibc = re.fullmatch(r"(\d{1,3})\.(\d{1,3})", answer.glibc)
        if answer.implementation != "CPython" or glibc is None or machine not in OLDEST_GLIBC:
            raise DeviceError(
                f"expected CPython with glibc on one of {', '.join(OLDEST_GLIBC)}, for which latkit knows wheels, "
                f"but found {answer.implementation} with the C library {answer.glibc or 'of another kind'} on {machine}"
                "; install the runtime there by hand, or add the device with --agent native"
            )
        return cls(answer.python, answer.version, machine, (int(glibc[1]), int(glibc[2])))

    def platforms(self) -> list[str]:
        """Platform tags of the wheels that run there, the newest first."""
        tags: list[str] = []
        for minor in range(self.glibc[1], OLDEST_GLIBC[self.machine] - 1, -1):
            tags.append(f"manylinux_{self.glibc[0]}_{minor}_{self.machine}")
            if minor in OLD_NAMES:
                tags.append(f"{OLD_NAMES[minor]}_{self.machine}")
        return [*tags, f"linux_{self.machine}"]


class _Answer(BaseModel):
    """What an interpreter reports, within bounds, as it comes from a device."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    python: str = Field(pattern=r"^/[^\x00-\x1f\x7f]{1,1000}$")
    version: tuple[int, int]
    implementation: str = Field(max_length=40)
    machine: str = Field(max_length=40)
    bits: int = Field(ge=8, le=1024)
    glibc: str = Field(max_length=40)


def fetch(interpreter: Interpreter, runtimes: Sequence[str], folder: Path) -> list[Path]:
    """The wheels that those runtimes need there, with pip itself, downloaded into an empty folder.

    Their versions and hashes are those of PINS_FILE. Raises UsageError for an unknown runtime, DeviceError if there are
    none, or with pip's output.
    """
    if not runtimes:
        known = ", ".join(runtime.name for runtime in list_runtimes())
        raise UsageError(f"expected a runtime to install; known runtimes: {known}")
    lines: set[str] = set()
    for runtime in [get_runtime(name) for name in runtimes]:
        found = pins().of(interpreter, runtime)
        if found is None:
            raise DeviceError(f"latkit knows no wheels of {runtime.name} for {interpreter}; install it there by hand")
        lines.update(found)
    problem = download(sorted(lines), folder / "wheels", interpreter.version, interpreter.platforms())
    if problem:
        raise DeviceError(f"could not fetch the wheels of {', '.join(runtimes)} for {interpreter}: {problem}")
    return sorted((folder / "wheels").glob("*.whl"))
