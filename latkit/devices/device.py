"""The device: a registered machine, as its file in the workspace's `devices/` records it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from latkit._io import atomic_write
from latkit.devices.transports import Way
from latkit.errors import BadFile, DeviceError
from latkit.ops import digest


class Core(BaseModel):
    """One core: its limits and its capacity (1024 is the fastest core's) where the kernel tells them."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    index: int = Field(ge=0)
    min_khz: int | None = None
    max_khz: int | None = None
    capacity: int | None = None


class Facts(BaseModel):
    """What a device is, as its agent reads it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    model: str
    """The board's name, else the processor's."""
    architecture: str
    instruction_set: list[str]
    cores: list[Core] = Field(min_length=1)
    memory_bytes: int = Field(default=0, ge=0)
    os: str
    kernel: str
    libc: str = ""
    hostname: str = ""
    python_version: str = ""
    """Version of the interpreter that the agent uses."""
    soc: str = ""
    """The chip, as a phone tells it."""
    build: str = ""
    """Fingerprint of a phone's system."""
    emulated: bool = False
    """Whether it is an emulator: what is measured there is no phone's latency, and every record of it says so."""
    governor: str | None = None
    boot_id: str | None = None

    @property
    def key(self) -> str:
        """Hash of what stays as long as the device is the same: processor, cores and memory."""
        cores = [core.model_dump() for core in self.cores]
        # the kernel keeps a part of the memory that differs between its builds: whole 64 MiB tell machines apart
        memory = round(self.memory_bytes / 2**26)
        return digest([self.model, self.architecture, self.instruction_set, cores, memory])


def facts_of(answer: Mapping[str, object], device: str) -> Facts:
    """The facts in an agent's answer to `probe`. Raises DeviceError naming the field that is wrong."""
    try:
        return Facts.model_validate(answer.get("facts"))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(("facts", *(str(part) for part in first["loc"])))
        raise DeviceError(f"{device}: expected a good {field} from the probe, but found: {first['msg']}") from None


class Device(BaseModel):
    """A registered device. Its file is the TOML of exactly these fields, with the version of the format."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    format: Literal[1] = 1
    name: str
    """Also the name of its file, without the suffix."""
    added_at: str
    """When it was added, as ISO 8601 in UTC."""
    agent: Literal["python", "native"] = "python"
    """Which agent it runs."""
    python: str | None = Field(default=None, min_length=1)
    """The interpreter on the device that the Python agent uses; none for the native agent."""
    folder: str = Field(pattern="^/.*[^/]$")
    """The agent's folder on the device: the agent, models, and what `doctor --install` puts there."""
    runtimes: dict[str, str]
    """Version of each runtime that works on the device, such as `ai-edge-litert 2.3.0`."""
    transport: Way
    facts: Facts

    @model_validator(mode="after")
    def _has_what_its_agent_needs(self) -> Device:
        if (self.agent == "python") != (self.python is not None):
            raise ValueError("expected python with the Python agent, and only with it")
        return self

    @property
    def runs(self) -> str:
        """Its agent in words."""
        return f"Python {self.facts.python_version} at {self.python}" if self.python else "native agent"

    @property
    def key(self) -> str:
        """Hash of the unchanging facts: the same hardware has the same key, whatever its name."""
        return self.facts.key

    def write(self, folder: Path, replace: bool = False) -> Path:
        """Write the file `NAME.toml` there, in one step. FileExistsError unless it may be replaced."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.toml"
        with atomic_write(path, replace) as temporary:
            temporary.write_bytes(tomli_w.dumps(self.model_dump(exclude_none=True)).encode())
        return path

    @classmethod
    def read(cls, path: Path) -> Device:
        """The device of a file. Raises BadFile naming the field that is wrong."""
        try:
            device = cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the file"
            raise BadFile(path, f"a device file with a good {field}", f"{field}: {first['msg']}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise BadFile(path, "a device file in TOML", str(error)) from error
        if device.name != path.stem:
            raise BadFile(path, f"name to be {path.stem!r}, as the file is called", repr(device.name))
        return device
