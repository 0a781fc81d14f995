"""Schemas of an agent's responses: one model each, with the range of every number and the length of every text.

An agent is a program on somebody's device, which may be broken or malicious. Accepted values are saved with the
samples, compared, and shown, so none of them may cause a failure later. Fields that a model does not name are ignored,
except those of `Conditions`: later agents may report more, and it is saved unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from latkit._io import one_line
from latkit.devices.device import MAX_BYTES, MAX_CORES, MAX_TEXT_CHARS, Facts, Text
from latkit.errors import DeviceError
from latkit.timing.measurement import MAX_NS, MAX_RUNS

MAX_ENTRIES = 10_000
"""Maximum number of sensors, frequencies or files."""
MAX_CONDITIONS_BYTES = 2**18
"""Maximum size as JSON: hundreds of sensors and cores take a tenth of it."""
MAX_SECONDS = 1e12
MAX_OPS = 50_000
"""Maximum number of ops in a profile."""
MAX_CELSIUS = 1e7
"""A sensor that is not connected reports the smallest or largest 32-bit number of thousandths."""
MAX_KHZ = 2**32

CoreNumber = Annotated[int, Field(ge=0, lt=MAX_CORES)]
Samples = Annotated[list[Annotated[int, Field(ge=0, le=MAX_NS)]], Field(min_length=1, max_length=MAX_RUNS)]
"""One entry per run."""
Times = Annotated[list[Annotated[int, Field(ge=1, le=MAX_NS)]], Field(min_length=1, max_length=MAX_RUNS)]
"""One entry per run, for times above 0."""
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Bytes = Annotated[int, Field(ge=0, le=MAX_BYTES)]
Celsius = Annotated[float, Field(ge=-MAX_CELSIUS, le=MAX_CELSIUS)]
Sensors = Annotated[dict[Text, Celsius], Field(max_length=MAX_ENTRIES)]
Kilohertz = Annotated[float, Field(ge=-1, le=MAX_KHZ)]
Seconds = Annotated[float, Field(ge=-MAX_SECONDS, le=MAX_SECONDS)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Hello(_Answer):
    """The response to `hello`."""

    protocol: Count
    agent: Text = ""


class Probed(_Answer):
    """The response to `probe`."""

    facts: Facts
    runtimes: dict[Text, Text] = Field(max_length=MAX_ENTRIES)
    absent: dict[Text, str] = Field(max_length=MAX_ENTRIES)


class Conditions(_Answer):
    """The response to `conditions`. None is a value that the device does not report."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    load1: float | None = Field(default=None, ge=0, le=1e9)
    free_memory_bytes: Bytes | None = None
    free_disk_bytes: Bytes | None = None
    affinity: list[CoreNumber] | None = Field(default=None, max_length=MAX_CORES)
    monotonic_s: Seconds | None = None
    unix_s: Seconds | None = None
    frequencies_khz: list[Kilohertz | None] | None = Field(default=None, max_length=MAX_CORES)
    temperatures_c: Sensors | None = None
    trips_c: Sensors | None = None
    governor: Text | None = None

    @model_validator(mode="after")
    def _is_small(self) -> Conditions:
        size_bytes = len(json.dumps(self.model_extra)) if self.model_extra else 0
        if size_bytes > MAX_CONDITIONS_BYTES:
            raise ValueError(f"expected at most {MAX_CONDITIONS_BYTES} bytes, but found {size_bytes}")
        return self


class Clock(_Answer):
    """The clocks in a response to `conditions`, for callers that require them."""

    monotonic_s: Seconds
    unix_s: Seconds


class Described(_Answer):
    """The response to `probe` if no runtime is looked for."""

    facts: Facts


class Pinned(_Answer):
    """The response to `pin`."""

    affinity: list[CoreNumber] = Field(max_length=MAX_CORES)


class Files(_Answer):
    """The response to `files`."""

    sha256: list[Text] = Field(max_length=1_000_000)


class Input(_Answer):
    """An input of a model as the runtime has it."""

    name: Text
    shape: list[Count] = Field(max_length=64)
    dtype: Text


class LoadedModel(_Answer):
    """The response to `load`."""

    handle: Annotated[int, Field(ge=0, le=MAX_BYTES)] | Text
    runtime_version: Text
    delegate: Text
    inputs: list[Input] = Field(default_factory=list, max_length=MAX_ENTRIES)
    create_s: float | None = Field(default=None, ge=0, le=MAX_SECONDS)
    """Seconds until the model could be run; absent from earlier agents, as are the following."""
    first_run_s: float | None = Field(default=None, ge=0, le=MAX_SECONDS)
    peak_memory_bytes: Bytes | None = None
    memory_bytes: Annotated[int, Field(ge=-MAX_BYTES, le=MAX_BYTES)] | None = None
    bound_inputs: Count | None = None
    """Number of inputs whose values came from the host."""
    energy_sensors: list[Text] = Field(default_factory=list, max_length=MAX_ENTRIES)
    """Counters of energy that `pace` reads."""


Step = Annotated[list[Annotated[int, Field(ge=0, le=MAX_NS)]], Field(min_length=2, max_length=2)]


class PacedRuns(_Answer):
    """The response to `pace`."""

    wall_ns: Times
    cpu_ns: Samples
    missed: Count = 0
    energy_uj: dict[Text, Annotated[int, Field(ge=0, le=MAX_NS)]] = Field(default_factory=dict, max_length=MAX_ENTRIES)
    """Energy by sensor, of all runs and the pauses between them."""
    energy_steps: dict[Text, Step] = Field(default_factory=dict, max_length=MAX_ENTRIES)
    """How often each counter moved between readings, and by how many microjoules at least; if the agent says."""


class ProfiledRuns(_Answer):
    """The response to `profile`. The ops themselves follow in answers to `ops`."""

    profiler: Text
    wall_ns: Times
    ops: Annotated[int, Field(ge=0, le=MAX_OPS)]
    arena_bytes: Bytes | None = None
    exact: bool = False
    """Whether every op carries the name of a node of the graph that the runtime executes."""


ShapeOfOp = Annotated[list[Count], Field(max_length=64)]
TensorOfOp = Annotated[list[Text | ShapeOfOp], Field(min_length=2, max_length=2)]


class ProfiledOp(_Answer):
    """One op, summed over all profiled runs."""

    name: Text
    kind: Text
    placement: Text
    calls: Annotated[int, Field(ge=1, le=MAX_NS)]
    total_ns: Annotated[int, Field(ge=0, le=MAX_NS)]
    inputs: list[TensorOfOp] = Field(default_factory=list, max_length=64)
    """Element type and shape of every input, as far as the runtime reports them."""
    outputs: list[TensorOfOp] = Field(default_factory=list, max_length=64)


class ProfiledOps(_Answer):
    """The response to `ops`."""

    ops: list[ProfiledOp] = Field(max_length=MAX_OPS)


class Block(BaseModel):
    """Run counts of a block of a round; a later agent may report more fields, which are saved."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    subject_runs: Count
    reference_runs: Count
    warm_up_runs: Count | None = None

    @model_validator(mode="after")
    def _is_small(self) -> Block:
        if self.model_extra and len(json.dumps(self.model_extra)) > MAX_TEXT_CHARS:
            raise ValueError(f"expected at most {MAX_TEXT_CHARS} characters of what a turn holds")
        return self


class Timed(_Answer):
    """The response to `time`: the raw samples of a round."""

    wall_ns: Times
    cpu_ns: Samples
    preemptions: Samples
    reference_wall_ns: Times
    reference_cpu_ns: Samples
    inference_ns: Annotated[int, Field(ge=0, le=MAX_NS)] | None = None
    block: Block | None = Field(default=None, alias="turn")


Kind = TypeVar("Kind", bound=BaseModel)


def checked(kind: type[Kind], answer: Mapping[str, object], request: str, device: str) -> Kind:
    """Validate an agent's response. Raises DeviceError, which names the wrong field."""
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        found = "" if first["type"] == "missing" else f", but found {_shown(first['input'])}"
        raise DeviceError(
            f"{device}: the agent's answer to {request!r} cannot be used: "
            f"{one_line(f'{field}: ' if field else '', 100)}{one_line(first['msg'])}{found}; "
            f"see: latkit device doctor {device}"
        ) from None


def _shown(value: object) -> str:
    """The beginning of a value. A list of a million entries is not converted to text."""
    if isinstance(value, list | dict):
        return f"{len(value)} {'entries' if len(value) != 1 else 'entry'}"
    return one_line(repr(value), 80)
