"""Wheels for a device, fetched on the host: a board need not reach the internet."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from latkit.devices.launch import COMMAND_S
from latkit.devices.pip import download
from latkit.devices.transports import Transport
from latkit.errors import DeviceError, UsageError

OLDEST_GLIBC = {"x86_64": 5, "i686": 5, "aarch64": 17, "armv7l": 17}
"""The second number of the oldest glibc that wheels are built against, by architecture (PEP 600)."""
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
REQUIREMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "onnxruntime": (("onnxruntime", "numpy"),),
    "tflite": (("ai-edge-litert", "numpy"), ("tflite-runtime", "numpy<2")),
    "torch": (("torch", "numpy"),),
    "torch_cuda": (("torch", "numpy"),),
}
"""What each runtime needs: the alternatives in order of preference. tflite-runtime was built against numpy 1."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of the device, as far as it decides which wheels fit."""

    path: str
    """Absolute path, of the interpreter that a virtual environment was made with."""
    version: tuple[int, int]
    machine: str
    glibc: tuple[int, int]

    @classmethod
    def asked(cls, transport: Transport, python: str) -> Interpreter:
        """What the device's interpreter tells of itself. Raises DeviceError where no wheels are published for it."""
        said = transport.run([python, "-c", ASK], COMMAND_S).checked(f"asking {python}").stdout
        try:
            answer = json.loads(said)
            major, minor = answer["version"]
            machine = {("aarch64", 32): "armv7l", ("x86_64", 32): "i686"}.get(
                (answer["machine"], answer["bits"]), answer["machine"]
            )
            glibc = re.fullmatch(r"(\d+)\.(\d+)", answer["glibc"])
        except (ValueError, KeyError, TypeError) as error:
            raise DeviceError(f"expected {python} to tell its version, but found {said[:200]!r}") from error
        if answer["implementation"] != "CPython" or glibc is None or machine not in OLDEST_GLIBC:
            raise DeviceError(
                f"expected CPython with glibc on one of {', '.join(OLDEST_GLIBC)}, for which wheels are published, "
                f"but found {answer}; install the runtime there by hand"
            )
        return cls(answer["python"], (major, minor), machine, (int(glibc[1]), int(glibc[2])))

    def platforms(self) -> list[str]:
        """Platform tags of the wheels that run there, the newest first."""
        tags: list[str] = []
        for minor in range(self.glibc[1], OLDEST_GLIBC[self.machine] - 1, -1):
            tags.append(f"manylinux_{self.glibc[0]}_{minor}_{self.machine}")
            if minor in OLD_NAMES:
                tags.append(f"{OLD_NAMES[minor]}_{self.machine}")
        return [*tags, f"linux_{self.machine}"]


def fetch(interpreter: Interpreter, runtimes: Sequence[str], folder: Path) -> list[Path]:
    """The wheels that those runtimes need there, with pip itself, downloaded into an empty folder.

    Raises UsageError for an unknown runtime, DeviceError with pip's words when there are none.
    """
    if not runtimes:
        raise UsageError(f"expected a runtime to install; known runtimes: {', '.join(REQUIREMENTS)}")
    unknown = [name for name in runtimes if name not in REQUIREMENTS]
    if unknown:
        raise UsageError(f"unknown runtime {unknown[0]!r}; known runtimes: {', '.join(REQUIREMENTS)}")
    said = ""
    for choice in range(max(len(REQUIREMENTS[name]) for name in runtimes)):
        wanted = sorted({package for name in runtimes for package in _requirements(name, choice)})
        said = download(["pip", *wanted], folder, interpreter.version, interpreter.platforms())
        if not said:
            return sorted(folder.glob("*.whl"))
    raise DeviceError(
        f"found no wheels of {', '.join(runtimes)} for Python {interpreter.version[0]}.{interpreter.version[1]} on "
        f"{interpreter.machine} with glibc {interpreter.glibc[0]}.{interpreter.glibc[1]}: {said}"
    )


def _requirements(runtime: str, choice: int) -> tuple[str, ...]:
    """The runtime's alternative of that number, or its last."""
    alternatives = REQUIREMENTS[runtime]
    return alternatives[min(choice, len(alternatives) - 1)]
