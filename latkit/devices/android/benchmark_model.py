"""Google's `benchmark_model`, TensorFlow Lite's benchmark tool: its flags, its command line, its failures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from latkit.devices.android.benchmark_model_output import (
    MAX_OUTPUT_CHARS,
    RUNS,
    TOOL,
    Report,
    complaints,
    last_lines,
    read_report,
    unknown_flags,
)
from latkit.devices.device import Device
from latkit.devices.transports.base import Completed, sha256_of
from latkit.errors import AgentError, DeviceError, UsageError
from latkit.runtimes import get_runtime, list_runtimes
from latkit.targets import Target
from latkit.timing import Environment

SWITCHES = ("use_gpu", "use_hexagon", "use_nnapi", "use_xnnpack")
"""Flags that request a delegate each: then the tool must report that it computes."""
FLAGS: Mapping[str, str] = {
    **dict.fromkeys(SWITCHES, "true|false"),
    "gpu_precision_loss_allowed": "true|false",
    "gpu_backend": "cl|gl",
    "hexagon_lib_path": r"/[\w./+-]+",
    "nnapi_accelerator_name": r"[\w.-]+",
}
"""The tool's flags that are passed on, with their valid values."""
PHASE_S = 60.0
"""After this time, the tool begins no further run of a phase."""
START_S = 120.0
"""Extra time for loading a model, and for the last run of each phase."""
NO_PROGRAM = (126, 127)
NO_PROGRAM_MESSAGES = (
    "exec format error",
    "not executable",
    "cannot execute",
    "cannot link",
    "syntax error",
    "bad elf",
)


@dataclass(frozen=True, slots=True)
class Start:
    """How the tool is started."""

    graph: str
    """Path of the model on the device."""
    threads: int
    warm_up_s: float
    cores: tuple[int, ...] = ()
    op_profiling: bool = False


@dataclass(frozen=True, slots=True)
class BenchmarkTool:
    """A `benchmark_model` on the host's disk, with its flags."""

    name: ClassVar[str] = TOOL
    """The value of `Environment.agent` for its measurements."""

    path: Path
    sha256: str
    flags: Mapping[str, str]

    @property
    def requested_delegates(self) -> tuple[str, ...]:
        """latkit's names of the requested delegates."""
        return tuple(name.removeprefix("use_") for name in SWITCHES if self.flags.get(name) == "true")

    @property
    def version(self) -> str:
        """Identifies this build: the tool prints no version."""
        return f"{TOOL} {self.sha256[:12]}"

    @property
    def settings(self) -> str:
        """Its flags, such as `gpu_backend=cl use_gpu=true`."""
        return " ".join(f"{name}={value}" for name, value in sorted(self.flags.items()))

    def delegate(self, report: Report) -> str:
        """The computing delegates, with all flags: measurements with other flags do not merge."""
        return f"{report.computed_by}; {self.settings}" if self.flags else report.computed_by

    def has_measured(self, environment: Environment) -> bool:
        """Whether the measurements of that environment come from this build and these flags."""
        settings = environment.delegate.partition("; ")[2]
        return (environment.agent, environment.runtime_version, settings) == (self.name, self.version, self.settings)

    def command(self, program: str, start: Start) -> list[str]:
        """The command that starts the program on the device, pinned to cores if there are any.

        It does not watch its memory: the thread that does so disturbs the timing.
        """
        library = self.flags.get("hexagon_lib_path")
        return [
            *(["env", f"LD_LIBRARY_PATH={library}"] if library else []),
            *(taskset(start.cores) if start.cores else []),
            program,
            f"--graph={start.graph}",
            f"--num_threads={start.threads}",
            "--warmup_runs=1",
            f"--warmup_min_secs={start.warm_up_s:g}",
            f"--num_runs={RUNS}",
            "--min_secs=0",
            f"--max_secs={PHASE_S:g}",
            f"--enable_op_profiling={'true' if start.op_profiling else 'false'}",
            *(f"--{name}={value}" for name, value in self.flags.items()),
        ]

    def report(self, completed: Completed, device: Device) -> Report:
        """The report of one start of the tool.

        Raises AgentError if the model is at fault: of kind `bad-model` if the tool rejects it, `delegate` if a
        requested delegate does not compute it, `crash`. Raises DeviceError if the tool is at fault.
        """
        streams = (completed.stdout, completed.stderr)
        output = "\n".join(stream[-MAX_OUTPUT_CHARS:].decode(errors="replace") for stream in streams)
        ignored = unknown_flags(output)
        if any(f"--{name}" in ignored for name in self.flags):
            raise DeviceError(f"expected a {TOOL} that knows all requested flags, but found: {ignored}")
        if completed.exit_status:
            raise self._failure(completed.exit_status, output, device)
        report = read_report(output)
        lacking = [word for word in self.requested_delegates if word not in report.delegates]
        if lacking:
            message = complaints(output) or last_lines(output)
            raise AgentError("delegate", f"{TOOL} computed nothing on {', '.join(lacking)}: {message}")
        return report

    def _failure(self, status: int, output: str, device: Device) -> DeviceError:
        """Why the tool failed."""
        if status in NO_PROGRAM or any(message in output.lower() for message in NO_PROGRAM_MESSAGES):
            return DeviceError(
                f"{device.name} does not run {self.path} (exit status {status}: {last_lines(output)}); expected a "
                f"{TOOL} built for its {device.facts.architecture}, in a folder from which programs may be started"
            )
        kind = "crash" if status < 0 or status > 128 else "delegate" if complaints(output) else "bad-model"
        return AgentError(kind, f"{TOOL} ended with exit status {status}: {last_lines(output)}")


def benchmark_tool(path: Path, flags: Sequence[str] = ()) -> BenchmarkTool:
    """The tool at that path, with flags such as `use_gpu=true`. Raises UsageError."""
    if not path.is_file():
        raise UsageError(f"expected Google's {TOOL}, built for the device, but found no file {path}")
    found: dict[str, str] = {}
    for flag in flags:
        name, _, value = flag.removeprefix("--").partition("=")
        if name not in FLAGS:
            raise UsageError(f"expected a flag of {TOOL} among {', '.join(FLAGS)}, but found {flag!r}")
        if not re.fullmatch(FLAGS[name], value):
            raise UsageError(f"expected {name}={FLAGS[name]}, but found {flag!r}")
        found[name] = value
    return BenchmarkTool(path, sha256_of(path), found)


def check_takes_tool(target: Target, what: str = TOOL) -> None:
    """Raise UsageError unless the tool runs the files of the target's runtime. `what` is what asks for the tool."""
    if not get_runtime(target.runtime).takes_benchmark_tool:
        known = ", ".join(runtime.name for runtime in list_runtimes() if runtime.takes_benchmark_tool)
        raise UsageError(f"expected a target of the runtime {known} for {what}, but found {target}")


def taskset(cores: Sequence[int]) -> list[str]:
    """The command prefix that pins it to these cores; toybox requires its mask in bare hexadecimal."""
    return ["taskset", f"{sum(1 << core for core in cores):x}"]
