"""The runtimes called directly, beside which the agents are timed: in a bare loop of C, and from Python."""

from __future__ import annotations

import json
import platform
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from latkit.devices import Device
from latkit.devices.agent import NATIVE_SOURCES
from latkit.devices.provisioning.bundle import pins
from latkit.devices.provisioning.toolchain import WARNINGS, Toolchain

PROGRAM = Path(__file__).with_name("direct.c")
WARM_UP_RUNS = 3


class LoopInC:
    """The bare loop of `direct.c`, as a process that runs groups of runs on request.

    It loads the libraries of the bundle that the native agent has pushed to `device`, a device on this machine.
    """

    def __init__(self, folder: Path, device: Device, path: Path, runtime: str, group_runs: int = 10) -> None:
        program = compile_loop(folder / f"direct-{group_runs}", group_runs)
        library = next(Path(device.folder).glob("native/*/lib"))
        loader = [str(next(library.glob("ld-linux-*"))), "--library-path", str(library)]
        argv = [*loader, str(program), runtime, str(library), str(path)]
        self._log = folder / "direct.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self._group_runs = group_runs
        self._run_ns = float(np.mean(self.groups(max(100 // group_runs, WARM_UP_RUNS))))

    def run_ns(self, seconds: float) -> list[float]:
        """Mean time of a run in each group of this many seconds, in ns."""
        return self.groups(max(round(1e9 * seconds / self._group_runs / self._run_ns), 1))

    def groups(self, count: int) -> list[float]:
        """Mean time of a run in each of this many groups, in ns."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the bare loop ended: {self._log.read_text().strip()[-1000:]}")
        return [int(word) / self._group_runs for word in line.split()]

    def __enter__(self) -> LoopInC:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.communicate()


def compile_loop(program: Path, group_runs: int) -> Path:
    """Build the bare loop, with the native agent's way of loading models. Raises subprocess.CalledProcessError."""
    sources = [PROGRAM, *(path for path in NATIVE_SOURCES.rglob("*.c") if path.name != "main.c")]
    defines = ["-D_GNU_SOURCE", f"-DBLOCK_RUNS={group_runs}", f'-DLITERT_VERSION="{pins()["tflite"].version}"']
    command = [Toolchain.find(platform.machine()).compiler, "-std=c11", "-O2", *WARNINGS, *defines]
    libraries = ["-lm", "-ldl", "-lpthread"]
    subprocess.run([*command, f"-I{NATIVE_SOURCES}", "-o", str(program), *map(str, sources), *libraries], check=True)
    return program


class LoopInPython:
    """A run of a file on one thread in this process, with the agent's settings."""

    def __init__(self, path: Path, runtime: str, values: Mapping[str, Any]) -> None:
        self._run = RUNS[runtime](path, values)

    def run_ns(self, seconds: float) -> list[float]:
        """CPU or wall time of each run, whichever is less, after a few untimed ones."""
        for _ in range(WARM_UP_RUNS):
            self._run()
        found: list[float] = []
        end = time.perf_counter() + seconds
        while not found or time.perf_counter() < end:
            wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
            self._run()
            found.append(min(time.perf_counter_ns() - wall, time.thread_time_ns() - cpu))
        return found

    def __enter__(self) -> LoopInPython:
        return self

    def __exit__(self, *_error: object) -> None:
        pass


def onnxruntime_run(path: Path, values: Mapping[str, Any]) -> Callable[[], object]:
    """A run of an ONNX file."""
    session = _onnxruntime_session(path, trace="")
    return lambda: session.run(None, dict(values))


def tflite_run(path: Path, values: Mapping[str, Any]) -> Callable[[], object]:
    """A run of a TFLite file, whose inputs are in the order of `values`."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    for entry, value in zip(interpreter.get_input_details(), values.values(), strict=True):
        interpreter.set_tensor(entry["index"], value)
    return interpreter.invoke


RUNS = {"onnxruntime": onnxruntime_run, "tflite": tflite_run}


def traced_op_us(path: Path, values: Mapping[str, Any], seconds: float) -> dict[str, float]:
    """Mean microseconds of every node in onnxruntime's own trace, over the faster half of the runs."""
    session = _onnxruntime_session(path, trace=str(path.parent / "trace"))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        session.run(None, dict(values))
    runs: list[dict[str, float]] = [defaultdict(float)]
    for event in json.loads(Path(session.end_profiling()).read_text()):
        name = str(event["name"])
        if event.get("cat") == "Node" and name.endswith("_kernel_time"):
            runs[-1][name.removesuffix("_kernel_time")] += event["dur"]
        elif name == "model_run":
            runs.append(defaultdict(float))
    faster = sorted(runs[:-1], key=lambda run: sum(run.values()))[: len(runs) // 2]
    return {name: float(np.mean([run[name] for run in faster])) for name in faster[0]}


def _onnxruntime_session(path: Path, trace: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_profiling = bool(trace)
    if trace:
        options.profile_file_prefix = trace
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
