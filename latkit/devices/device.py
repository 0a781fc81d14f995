"""The device: a registered machine, as recorded in its file in the workspace's `devices/`."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from latkit._io import atomic_write, parse_toml, read_text, reading, take_release, with_release
from latkit.devices.transports import AnyAddress
from latkit.errors import BadFile, UsageError
from latkit.ops import digest
from latkit.ops.precision import FP32

MAX_CORES = 2**16
MAX_TEXT_CHARS = 1000
MAX_BYTES = 2**63 - 1

Number = Annotated[int | None, Field(ge=0, le=2**32)]
"""A value that the kernel reports for a core."""
Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS)]
MAX_FILE_BYTES = 2**20
"""Maximum size of a device file; that of a phone with many cores is some kilobytes long."""


class Core(BaseModel):
    """One core: its limits and its capacity (1024 is the fastest core's) if the kernel reports them."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    index: int = Field(ge=0, lt=MAX_CORES)
    min_khz: Number = None
    max_khz: Number = None
    capacity: Number = None


class PrecisionProbe(BaseModel):
    """Whether a device executes a precision with a runtime."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    speedup: float | None = Field(default=None, gt=0, le=1e6)
    """How many times faster a convolution is than in the runtime's first precision; None if it is not executed."""
    reason: Text = ""
    """Why it is not executed."""


class Facts(BaseModel):
    """What a device is, as its agent reads it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    model: Text
    """The board's name, otherwise the processor's."""
    architecture: Text
    instruction_set: list[Text] = Field(max_length=MAX_CORES)
    cores: list[Core] = Field(min_length=1, max_length=MAX_CORES)
    memory_bytes: int = Field(default=0, ge=0, le=MAX_BYTES)
    os: Text
    kernel: Text
    libc: Text = ""
    hostname: Text = ""
    python_version: Text = ""
    """Version of the interpreter that the agent uses."""
    soc: Text = ""
    """The chip, as a phone reports it."""
    build: Text = ""
    """Fingerprint of a phone's system."""
    emulated: bool = False
    """Whether it is an emulator: its latencies are not those of a phone, and every record of them says so."""
    governor: Text | None = None
    boot_id: Text | None = None

    @property
    def key(self) -> str:
        """Hash of what stays the same for a device: processor, cores and memory."""
        cores = [core.model_dump() for core in self.cores]
        # the kernel reserves memory, which differs between its builds: units of 64 MiB still identify machines
        memory = round(self.memory_bytes / 2**26)
        return digest([self.model, self.architecture, self.instruction_set, cores, memory])


MAX_PATH_CHARS = 512
"""The native agent accepts paths of 1024 bytes, those of its models included."""
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_folder(path: str) -> str:
    """The path of a folder on a device, without trailing slashes. Raises UsageError unless it is absolute."""
    plain = path.rstrip("/")
    parts = plain.split("/")
    if parts[0] or len(parts) < 2 or {"", ".", ".."} & set(parts[1:]) or CONTROL.search(plain):
        raise UsageError(f"expected the agent's folder as an absolute path such as /home/me/latkit, but found {path!r}")
    if len(plain) > MAX_PATH_CHARS:
        raise UsageError(f"expected a path of at most {MAX_PATH_CHARS} characters, but found {len(plain)}")
    return plain


class Device(BaseModel):
    """A registered device. Its file is the TOML of exactly these fields, with the version of the format."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    format: Literal[1] = 1
    name: str
    """Also the name of its file, without the suffix."""
    added_at: Text
    """When it was added, as ISO 8601 in UTC."""
    agent: Literal["python", "native"] = "python"
    """The agent that it runs."""
    python: str | None = Field(default=None, min_length=1)
    """The interpreter on the device that the Python agent uses; none for the native agent."""
    folder: str
    """The agent's folder on the device: the agent, models, and what `doctor --install` puts there."""
    runtimes: dict[Text, Text] = Field(max_length=100)
    """Version of each runtime that works on the device, such as `ai-edge-litert 2.3.0`."""
    transport: AnyAddress
    facts: Facts
    precisions: dict[Text, dict[Text, PrecisionProbe]] | None = Field(default=None, max_length=100)
    """For each runtime that was probed, each of its precisions."""

    @field_validator("added_at")
    @classmethod
    def _is_a_time(cls, value: str) -> str:
        datetime.fromisoformat(value)
        return value

    @field_validator("folder")
    @classmethod
    def _is_a_folder(cls, value: str) -> str:
        try:
            return check_folder(value)
        except UsageError as error:
            raise ValueError(str(error)) from error

    @field_validator("python")
    @classmethod
    def _can_be_started(cls, value: str | None) -> str | None:
        if value is not None and (CONTROL.search(value) or len(value) > MAX_PATH_CHARS):
            raise ValueError("expected a path or the name of a command")
        return value

    @model_validator(mode="after")
    def _has_what_its_agent_needs(self) -> Device:
        if (self.agent == "python") != (self.python is not None):
            raise ValueError("expected python with the Python agent, and only with it")
        return self

    @property
    def runs(self) -> str:
        """Its agent, as text."""
        return f"Python {self.facts.python_version} at {self.python}" if self.python else "native agent"

    def shown_runtimes(self) -> list[str]:
        """Its runtimes with their versions, and with the precisions that it executes where they were probed."""
        shown = {name: self.shown_precisions(name) for name in self.runtimes}
        return [f"{version} ({shown[name]})" if shown[name] else version for name, version in self.runtimes.items()]

    def shown_precisions(self, runtime: str) -> str:
        """The precisions that it executes with a runtime, with their speed, such as `fp32, int8 2.4x`."""
        probes = (self.precisions or {}).get(runtime, {})
        executed = {name: one.speedup for name, one in probes.items() if one.speedup is not None}
        return ", ".join(name if name == FP32.name else f"{name} {speed:.2g}x" for name, speed in executed.items())

    @property
    def key(self) -> str:
        """Hash of the unchanging facts: the same hardware has the same key, under any name."""
        return self.facts.key

    def write(self, folder: Path, replace: bool = False) -> Path:
        """Write the file `NAME.toml` there, atomically. Raises FileExistsError unless it may be replaced."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.toml"
        with atomic_write(path, replace) as temporary:
            temporary.write_bytes(tomli_w.dumps(with_release(self.model_dump(exclude_none=True))).encode())
        return path

    @classmethod
    def read(cls, path: Path) -> Device:
        """The device of a file. Raises BadFile, which names the wrong field."""
        text = read_text(path, "a device file in TOML", MAX_FILE_BYTES)
        with reading(path, "a device file in TOML"):
            document = parse_toml(text)
        with reading(path, "a device file with good fields", take_release(document)):
            device = cls.model_validate(document)
        if device.name != path.stem:
            raise BadFile(path, f"name to be {path.stem!r}, as the file is called", repr(device.name))
        return device
