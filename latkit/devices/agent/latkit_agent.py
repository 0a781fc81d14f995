"""latkit's agent: times networks on a device, controlled by JSON lines over stdin and stdout.

One self-contained file for Python 3.8 and later. It needs numpy and a runtime to time anything, but neither to report
what the device is. The protocol is defined in docs/agent-protocol.md.

    python -u latkit_agent.py --models FOLDER
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import io
import json
import os
import pickle
import platform
import queue
import resource
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import contextmanager
from runpy import run_path
from typing import Any, BinaryIO, Callable, Dict, Iterator  # noqa: UP035 - Python 3.8 runs this

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # otherwise onnxruntime leaves files in the home folder
PROTOCOL = 1
SYSFS = os.environ.get("LATKIT_SYSFS", "/sys")
"""Where conditions are read; tests write their own files."""
AGENT = "latkit-python-1"
HEARTBEAT_S = 1.0
SEED = 20181202
SUBJECT_BLOCK_NS = 7_000_000
REFERENCE_BLOCK_NS = 2_500_000
MAX_RUNS_PER_BLOCK = 10
WARM_UP_SHARE = 0.25
"""Maximum share of a round that is spent on warming up."""
STILL_FALLING = 0.99
"""A run counts as faster than the fastest before it if it takes less than this share of its time."""
STEADY_RUNS = 3
"""The warm-up ends after this many runs without a faster one."""

MAX_TRIPS = 12
"""The kernel's limit to the number of trip points of a thermal zone."""

MODEL_NAME = "latkit-model.onnx"
"""Name of a model beside its external data."""
FLOATS = ("float32", "float16", "float64")
BOUND_DTYPES = (*FLOATS, "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool")
MAX_BOUND_INPUTS = 1024
MAX_PACED_RUNS = 2**20
MAX_INTERVAL_S = 3600.0
MAX_PROFILED_RUNS = 1000
MAX_PROFILED_OPS = 50_000
"""Further ops of a run are counted into the last."""
OPS_PER_ANSWER = 500
MAX_OP_NAME_CHARS = 200

MAX_TRACED_TENSORS = 16
NESTING = ("If", "Loop", "Scan", "SequenceMap")
"""Operators with nodes inside them, whose times they contain."""
LITERT_VERSIONS = ("ai-edge-litert 2.3.0",)
PROFILING = (b"runtime_options_string", "enable_profiling = true\n")
"""Kind and text of the option that gives a compiled model a profiler."""
NODE, DELEGATE_KERNEL = 2, 8
"""LiteRT's types of profiler events."""

NO_MEMORY = ("allocate memory", "bad_alloc", "not enough memory", "out of memory")
"""What runtimes print when memory runs out; they raise their own exception types."""

Fields = Dict[str, Any]  # noqa: UP006 - Python 3.8 runs this


class RequestError(Exception):
    """An error to report to the host: `kind` is for programs, the message is for people."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


# What the device is


def read(path: str) -> str | None:
    """The stripped text of a file, or None if it does not exist or may not be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read().replace("\0", "").strip()
    except OSError:
        return None


def read_int(path: str) -> int | None:
    """The integer in a file, or None."""
    text = read(path)
    return int(text) if text is not None and text.lstrip("-").isdigit() else None


def cpu_lines() -> list[tuple[str, str]]:
    """Names and values of /proc/cpuinfo."""
    pairs = (line.partition(":") for line in (read("/proc/cpuinfo") or "").splitlines())
    return [(name.strip(), value.strip()) for name, colon, value in pairs if colon]


def model_name() -> str:
    """The board's or the processor's name."""
    board = read("/proc/device-tree/model")
    if board:
        return board
    named = [value for name, value in cpu_lines() if name in ("model name", "Hardware", "cpu model") and value]
    return named[0] if named else platform.processor() or platform.machine()


def instruction_set() -> list[str]:
    """Processor features on which inference kernels depend."""
    features = next((value.split() for name, value in cpu_lines() if name in ("flags", "Features")), [])
    if platform.machine() in ("x86_64", "AMD64", "i686"):
        required_field = ("sse4", "ssse3", "avx", "fma", "f16c", "amx")
        features = [name for name in features if name.startswith(required_field)]
    return sorted(features)


def cores() -> list[Fields]:
    """One entry per present core, with its limits in kHz and its capacity if the kernel reports them."""
    found = []
    for index in range(os.cpu_count() or 1):
        folder = f"/sys/devices/system/cpu/cpu{index}"
        core: Fields = {
            "index": index,
            "min_khz": read_int(f"{folder}/cpufreq/cpuinfo_min_freq"),
            "max_khz": read_int(f"{folder}/cpufreq/cpuinfo_max_freq"),
            "capacity": read_int(f"{folder}/cpu_capacity"),
        }
        found.append({name: value for name, value in core.items() if value is not None})
    return found


def memory(name: str) -> int | None:
    """A line of /proc/meminfo, in bytes."""
    for line in (read("/proc/meminfo") or "").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return None


def os_name() -> str:
    """The distribution's name and version."""
    for line in (read("/etc/os-release") or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return platform.platform()


def affinity() -> list[int]:
    """The cores that this process may run on."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def pin_to(cores: list[int]) -> None:
    """Let this thread, and those that it creates from now on, run on these cores only, if the device allows it."""
    try:
        os.sched_setaffinity(0, cores)
    except (AttributeError, OSError, ValueError, OverflowError, MemoryError):
        return  # the granted affinity is read back


def facts() -> Fields:
    """Facts about the device; see `probe` in the protocol."""
    libc, libc_version = platform.libc_ver()
    known: Fields = {
        "model": model_name(),
        "architecture": platform.machine(),
        "instruction_set": instruction_set(),
        "cores": cores(),
        "memory_bytes": memory("MemTotal"),
        "os": os_name(),
        "kernel": platform.release(),
        "libc": f"{libc} {libc_version}".strip(),
        "hostname": platform.node(),
        "python_version": platform.python_version(),
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "boot_id": read("/proc/sys/kernel/random/boot_id"),
    }
    return {name: value for name, value in known.items() if value is not None}


FROM_ELSEWHERE = "import sys; sys.path[:] = [place for place in sys.path if place]\n"
"""Prepended to every import check: it keeps a file `torch.py` in the agent's folder from being taken for torch."""
IMPORTS = {
    ("onnxruntime",): "import onnxruntime as m; print('onnxruntime', m.__version__)",
    ("tflite",): (
        "from importlib import import_module, metadata\n"
        "try:\n name = 'ai-edge-litert'; import_module('ai_edge_litert.interpreter')\n"
        "except ImportError:\n"
        " name = 'tflite-runtime'; import_module('tflite_runtime.interpreter'); import numpy\n"
        " assert numpy.__version__ < '2', 'tflite-runtime needs numpy < 2'\n"
        "print(name, metadata.version(name))"
    ),
    ("torch", "torch_cuda"): (
        "import torch as m; print('torch', m.__version__, flush=True)\n"
        "assert m.cuda.is_available(), 'torch finds no CUDA device'; print('torch', m.__version__)"
    ),
}
"""Command that finds the runtimes: it prints their versions in order. A bad build crashes only that process."""


def runtimes(seconds: float) -> tuple[dict[str, str], dict[str, str]]:
    """Versions of the runtimes that work here, and the reasons for the others."""
    if seconds <= 0:
        return {}, {}
    started = [
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", FROM_ELSEWHERE + code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for code in IMPORTS.values()
    ]
    present: dict[str, str] = {}
    absent: dict[str, str] = {}
    deadline = time.monotonic() + seconds
    for names, process in zip(IMPORTS, started):  # noqa: B905 - Python 3.8 runs this
        try:
            out, err = process.communicate(timeout=max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            err += b"\nimporting it took too long"
        versions = out.decode(errors="replace").splitlines()
        lines = err.decode(errors="replace").strip().splitlines()
        present.update(zip(names, versions))  # noqa: B905
        for name in names[len(versions) :]:
            absent[name] = lines[-1] if lines else f"importing it ended with status {process.returncode}"
    return present, absent


def conditions(models: str) -> Fields:
    """The conditions around a round; see `conditions` in the protocol."""
    cpus = f"{SYSFS}/devices/system/cpu"
    frequencies = [read_int(f"{cpus}/cpu{index}/cpufreq/scaling_cur_freq") for index in range(os.cpu_count() or 1)]
    if None in frequencies:  # many virtual machines have no cpufreq, but report a frequency
        frequencies = [int(float(value) * 1000) for name, value in cpu_lines() if name == "cpu MHz"]
    read_now = sensors()
    known: Fields = {
        "frequencies_khz": frequencies,
        "temperatures_c": {name: degrees for name, (degrees, _) in read_now.items()},
        "trips_c": {name: trip for name, (_, trip) in read_now.items() if trip is not None},
        "load1": os.getloadavg()[0],
        "free_memory_bytes": memory("MemAvailable"),
        "free_disk_bytes": shutil.disk_usage(models).free,
        "governor": read(f"{cpus}/cpu0/cpufreq/scaling_governor"),
        "affinity": affinity(),
        "monotonic_s": time.monotonic(),
        "unix_s": time.time(),
    }
    return {name: value for name, value in known.items() if value is not None}


def sensors() -> dict[str, tuple[float, float | None]]:
    """Degrees Celsius by thermal zone, and the temperature at which the kernel begins to throttle, if
    it reports one.
    """
    found: dict[str, tuple[float, float | None]] = {}
    base = f"{SYSFS}/class/thermal"
    zones = sorted(os.listdir(base)) if os.path.isdir(base) else []  # noqa: PTH112, PTH208
    for zone in zones:
        millis = read_int(f"{base}/{zone}/temp") if zone.startswith("thermal_zone") else None
        if millis is not None:
            name = f"{zone} {read(f'{base}/{zone}/type') or ''}".strip()
            found[name] = (millis / 1000, trip_point(f"{base}/{zone}"))
    return found


def trip_point(zone: str) -> float | None:
    """The lowest passive trip point of a thermal zone in degrees Celsius, or None."""
    found = []
    for index in range(MAX_TRIPS):
        kind = read(f"{zone}/trip_point_{index}_type")
        if kind is None:
            break
        millis = read_int(f"{zone}/trip_point_{index}_temp")
        if kind == "passive" and millis is not None and millis > 0:  # unset ones are 0 or below
            found.append(millis / 1000)
    return min(found) if found else None


# Runtimes: each loads a file and returns a function that runs it once


class Loaded:
    """A model ready to run: `run` is one inference with everything bound, `time_run` one with its wall time in ns."""

    def __init__(self, run: Callable[[], object], delegate: str, version: str, inputs: list[Fields]) -> None:
        self.run = run
        self.delegate = delegate
        self.version = version
        self.inputs = inputs
        self.device_ns: Callable[[], int] | None = None
        self.create_s: float | None = None
        """Seconds until the model could be run for the first time."""
        self.first_run_s: float | None = None
        self.profile: Callable[[int, float], Fields] | None = None
        """Profiles up to that many runs, for up to that many seconds; see `profile` in the protocol."""
        self.ops: list[Fields] = []
        """The last profile's ops."""
        self.trace = ""
        """Beginning of the paths of files that its runtime may leave behind."""


def random_input(shape: list[int], kind: str, seed: int) -> Any:
    """Normal random numbers, never zeros: some kernels are faster on zeros."""
    import numpy

    values = numpy.random.RandomState(seed).standard_normal(shape)
    if numpy.issubdtype(numpy.dtype(kind), numpy.floating):
        return values.astype(kind)
    return (values * 30).astype(kind)


def concrete(shape: list[Any], batch: int) -> list[int]:
    """A shape with its free batch filled in."""
    sizes = [batch if index == 0 and not (isinstance(n, int) and n > 0) else n for index, n in enumerate(shape)]
    if not all(isinstance(n, int) and n > 0 for n in sizes):
        raise RequestError("bad-model", f"expected an input with a fixed shape, but found {shape}")
    return sizes


def load_onnxruntime(path: str, threads: int, request: Fields) -> Loaded:
    """A model for onnxruntime on the CPU: sequential, with that many threads within an operator."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    if request.get("profile"):
        options.enable_profiling = True
        options.profile_file_prefix = request["trace"]
    begin = time.perf_counter()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    create_s = time.perf_counter() - begin
    given = request.get("arrays")
    kinds = {
        "tensor(float)": "float32",
        "tensor(float16)": "float16",
        "tensor(double)": "float64",
        "tensor(int64)": "int64",
        "tensor(int32)": "int32",
        "tensor(int8)": "int8",
        "tensor(uint8)": "uint8",
    }
    feed, inputs = {}, []
    for index, item in enumerate(session.get_inputs()):
        if given is not None:
            feed[item.name] = given_array(given, item.name)
            inputs.append(described(item.name, feed[item.name]))
            continue
        if item.type not in kinds:
            raise RequestError("bad-model", f"expected inputs of numbers, but found {item.type}")
        shape = concrete(item.shape, request.get("batch", 1))
        feed[item.name] = random_input(shape, kinds[item.type], SEED + index)
        inputs.append({"name": item.name, "shape": shape, "dtype": kinds[item.type]})
    begin = time.perf_counter()
    outputs = session.run(None, feed)
    first_run_s = time.perf_counter() - begin
    delegate = ",".join(session.get_providers())
    model = Loaded(bound(session, feed, outputs), delegate, f"onnxruntime {onnxruntime.__version__}", inputs)
    model.create_s, model.first_run_s = create_s, first_run_s
    if request.get("profile"):
        model.trace = request["trace"]
        model.profile = lambda runs, seconds: profile_onnxruntime(session, model, runs, seconds)
    return model


def bound(session: Any, feed: Fields, outputs: list[Any]) -> Callable[[], object]:
    """A run of onnxruntime with inputs and outputs bound once.

    The same computation as `session.run`, without 4 us of Python overhead that varies from run to run. The remaining
    overhead is that of a C program. A model with outputs that are no tensors is run unbound.
    """
    import numpy

    if not all(isinstance(array, numpy.ndarray) and array.dtype != object for array in outputs):
        return lambda: session.run(None, feed)
    binding = session.io_binding()
    for name, array in feed.items():
        binding.bind_cpu_input(name, array)
    for item, array in zip(session.get_outputs(), outputs):  # noqa: B905 - Python 3.8 runs this
        binding.bind_output(item.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)

    def run(_outputs: Any = outputs) -> None:  # keeps the memory that the outputs are written to alive
        session.run_with_iobinding(binding)

    return run


def tflite_interpreter() -> tuple[Any, str]:
    """The interpreter class of the installed package, and its version."""
    from importlib import metadata

    try:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter, f"ai-edge-litert {metadata.version('ai-edge-litert')}"
    except ImportError:
        from tflite_runtime.interpreter import Interpreter

        return Interpreter, f"tflite-runtime {metadata.version('tflite-runtime')}"


def load_tflite(path: str, threads: int, request: Fields) -> Loaded:
    """A model for the TFLite interpreter, with the delegate that it applies by default: XNNPACK."""
    interpreter_class, version = tflite_interpreter()
    if request.get("profile"):
        return load_litert(path, threads, request, version)
    begin = time.perf_counter()
    interpreter = interpreter_class(model_path=path, num_threads=threads)
    if request.get("arrays") is not None:
        return load_signature(interpreter, version, request, begin)
    interpreter.allocate_tensors()
    inputs = []
    for index, item in enumerate(interpreter.get_input_details()):
        shape = concrete([int(n) for n in item["shape"]], request.get("batch", 1))
        kind = str(item["dtype"].__name__)
        interpreter.set_tensor(item["index"], random_input(shape, kind, SEED + index))
        inputs.append({"name": item["name"], "shape": shape, "dtype": kind})
    return Loaded(interpreter.invoke, "xnnpack", version, inputs)


def given_array(given: Fields, name: str) -> Any:
    """The values of an input."""
    if name not in given:
        raise RequestError("bad-request", f"expected values of the input {name!r}, but found {sorted(given)!r:.200}")
    return given[name]


def described(name: str, array: Any) -> Fields:
    """An input as it is reported."""
    return {"name": name, "shape": list(array.shape), "dtype": str(array.dtype)}


def bound_array(path: str, entry: Any) -> tuple[str, Any]:
    """Name and values of an input: a part of a file, in C order and little-endian."""
    import numpy

    if not isinstance(entry, dict):
        raise RequestError("bad-request", f"expected an input as an object, but found {entry!r:.100}")
    name, dtype = required_field(entry, "name", str), required_field(entry, "dtype", str)
    shape, offset = required_field(entry, "shape", list), required_field(entry, "offset", int)
    if dtype not in BOUND_DTYPES or not all(type(size) is int and 0 <= size <= 2**40 for size in shape):
        raise RequestError("bad-request", f"expected an input of numbers, but found {dtype!r:.40} of {shape!r:.100}")
    count = 1
    for size in shape:
        count *= size
    if offset + count * numpy.dtype(dtype).itemsize > os.path.getsize(path):  # noqa: PTH202
        raise RequestError("bad-request", f"expected the values of {name!r:.100} within their file")
    return name, numpy.fromfile(path, dtype=dtype, count=count, offset=offset).reshape(shape)


def link_or_copy(source: str, place: str) -> None:
    """The same file under another name; a copy where the file system has no links."""
    try:
        os.link(source, place)
    except OSError:
        shutil.copyfile(source, place)


def remove_trace(prefix: str) -> None:
    """Remove the traces that were begun for a model and never read."""
    folder, name = os.path.split(prefix)
    for entry in os.listdir(folder) if name else []:  # noqa: PTH208
        if entry.startswith(name):
            os.remove(os.path.join(folder, entry))  # noqa: PTH107, PTH118


def own_memory(name: str) -> int | None:
    """A line of /proc/self/status, in bytes."""
    for line in (read("/proc/self/status") or "").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return None


def reset_peak_memory() -> None:
    """Let the process's peak memory begin anew, if the kernel allows it."""
    try:
        with open("/proc/self/clear_refs", "w") as file:  # noqa: PTH123
            file.write("5")
    except OSError:
        return


def load_signature(interpreter: Any, version: str, request: Fields, begin: float) -> Loaded:
    """A signature of a TFLite file, or its main graph, on the values of the request."""
    import numpy

    given, key = request["arrays"], request.get("signature") or ""
    raw = interpreter._interpreter  # noqa: SLF001 - a signature run without copies of its inputs
    if key:
        if key not in interpreter.get_signature_list():
            raise RequestError("bad-request", f"expected a signature of the file, but found {key!r:.100}")
        runner = interpreter.get_signature_runner(key)
        places, graph = dict(runner._inputs), runner._subgraph_index  # noqa: SLF001
    else:
        places, graph = {item["name"]: item["index"] for item in interpreter.get_input_details()}, 0
    inputs = []
    for name, place in places.items():
        array = given_array(given, name)
        raw.ResizeInputTensor(place, numpy.array(array.shape, dtype=numpy.int32), False, graph)
        inputs.append(described(name, array))
    raw.AllocateTensors(graph)
    create_s = time.perf_counter() - begin
    for name, place in places.items():
        raw.SetTensor(place, given[name], graph)
    begin = time.perf_counter()
    raw.Invoke(graph)
    first_run_s = time.perf_counter() - begin

    def run(_interpreter: Any = interpreter) -> None:  # keeps the interpreter alive
        raw.Invoke(graph)

    model = Loaded(run, "xnnpack", version, inputs)
    model.create_s, model.first_run_s = create_s, first_run_s
    return model


class OpTable:
    """Times of ops, summed over runs. An op is known by its place and name."""

    def __init__(self) -> None:
        self.ops: dict[Any, Fields] = {}

    def add(self, key: Any, fields: Fields, nanoseconds: int) -> None:
        """Count a call of an op. `fields` describe it at its first call."""
        if key not in self.ops:
            if len(self.ops) >= MAX_PROFILED_OPS:
                key = next(reversed(self.ops))
            else:
                self.ops[key] = {**fields, "calls": 0, "total_ns": 0}
        self.ops[key]["calls"] += 1
        self.ops[key]["total_ns"] += nanoseconds


def profiled_runs(
    run: Callable[[], object], runs: int, seconds: float, before: Callable[[], object], after: Callable[[], object]
) -> list[tuple[int, bool]]:
    """Runs with a profiler: wall time in ns, and whether nothing preempted it. `before` and `after` are not timed.

    They end after that many undisturbed ones, twice as many altogether, or that many seconds, but not before the first.
    """
    made: list[tuple[int, bool]] = []
    begin, undisturbed = time.perf_counter(), 0
    while undisturbed < runs and len(made) < 2 * runs and (not made or time.perf_counter() - begin < seconds):
        before()
        switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        start = time.perf_counter_ns()
        run()
        wall_ns = max(time.perf_counter_ns() - start, 1)
        made.append((wall_ns, resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw == switches))
        undisturbed += made[-1][1]
        after()
    return made


def used_runs(made: list[tuple[int, bool]]) -> list[int]:
    """The places of the undisturbed runs; of all runs where every one was disturbed."""
    return [place for place, (_, quiet) in enumerate(made) if quiet] or list(range(len(made)))


def profile_onnxruntime(session: Any, model: Loaded, runs: int, seconds: float) -> Fields:
    """Profile by onnxruntime's own trace, which is removed. Its first runs, before these, are not counted."""
    model.run()
    made = profiled_runs(model.run, runs, seconds, lambda: None, lambda: None)
    used = used_runs(made)
    trace = session.end_profiling()
    model.profile = None  # its trace has ended
    try:
        table, arena_bytes = OpTable(), 0
        with open(trace, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            traced = split_runs(file)[-len(made) :]
        for place in used:
            for event in exclusive(traced[place]):
                arguments = event["args"]
                key = arguments.get("node_index"), event["name"], arguments.get("op_name")
                table.add(key, onnxruntime_op(event), event["own_us"] * 1000)
                arena_bytes = max(arena_bytes, int(arguments.get("mem_arena_held", 0)))
    finally:
        os.remove(trace)  # noqa: PTH107
    model.ops = list(table.ops.values())
    wall_ns = [made[place][0] for place in used]
    return {"profiler": "onnxruntime", "wall_ns": wall_ns, "arena_bytes": arena_bytes, "exact": True}


def split_runs(lines: Iterator[str]) -> list[list[Fields]]:
    """The node events of each run in a trace: one event per line; a run ends with an event of its own."""
    found: list[list[Fields]] = [[]]
    for line in lines:
        try:
            event = json.loads(line.strip().rstrip(","))
        except ValueError:
            continue  # the brackets around all events
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            found[-1].append(event)
        elif event.get("name") == "model_run":
            found.append([])
    return found[:-1]


def exclusive(events: list[Fields]) -> list[Fields]:
    """The events of a run with `own_us`, their time without that of nodes inside them, as a loop has.

    An event is written when it ends, so those inside it come before it.
    """
    stack: list[Fields] = []
    for event in events:
        event["own_us"] = event["dur"]
        while stack and stack[-1]["ts"] >= event["ts"] and event["dur"] > 0 and event["args"].get("op_name") in NESTING:
            event["own_us"] = max(event["own_us"] - stack.pop()["dur"], 0)
        stack.append(event)
    return events


def onnxruntime_op(event: Fields) -> Fields:
    """An op as it is reported."""
    arguments = event["args"]
    return {
        "name": event["name"][: -len("_kernel_time")][:MAX_OP_NAME_CHARS],
        "kind": str(arguments.get("op_name", ""))[:MAX_OP_NAME_CHARS],
        "placement": str(arguments.get("provider", ""))[:MAX_OP_NAME_CHARS],
        "inputs": traced_tensors(arguments.get("input_type_shape")),
        "outputs": traced_tensors(arguments.get("output_type_shape")),
    }


def traced_tensors(entries: Any) -> list[list[Any]]:
    """Element type and shape of every tensor of an op, from a trace."""
    pairs = [pair for entry in entries or [] if isinstance(entry, dict) for pair in entry.items()]
    return [[kind, shape] for kind, shape in pairs[:MAX_TRACED_TENSORS] if isinstance(shape, list)]


class LiteRt:
    """A model compiled by LiteRT's C API, which profiles the kernels inside XNNPACK; the interpreter does not.

    The API changes between releases, so only those in `LITERT_VERSIONS` are called.
    """

    def __init__(self, path: str, threads: int, request: Fields) -> None:
        import ctypes

        import ai_edge_litert

        self.c = ctypes
        folder = os.path.dirname(ai_edge_litert.__file__)  # noqa: PTH120
        self.lib = ctypes.CDLL(os.path.join(folder, "libLiteRt.so"))  # noqa: PTH118
        self.libc = ctypes.CDLL(None)
        self.libc.strdup.restype = ctypes.c_void_p
        self.environment, self.model = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("CreateEnvironment", 0, None, ctypes.byref(self.environment))
        self.call("CreateModelFromFile", self.environment, path.encode(), ctypes.byref(self.model))
        self.compiled, self.profiler = self.compile(threads), ctypes.c_void_p()
        self.call("CompiledModelGetProfiler", self.compiled, ctypes.byref(self.profiler))
        self.graph = self.signature_index(request.get("signature") or "")
        self.signature = ctypes.c_void_p()
        self.call("GetModelSignature", self.model, ctypes.c_size_t(self.graph), ctypes.byref(self.signature))
        self.inputs = self.buffers("Input", request["arrays"])
        self.outputs = self.buffers("Output", None)

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function that returns a status. Raises RequestError."""
        status = getattr(self.lib, "LiteRt" + name)(*arguments)
        if status:
            raise RequestError("bad-model", f"LiteRT gave status {status} on {name}")

    def compile(self, threads: int) -> Any:
        """The compiled model for the CPU, with the profiler."""
        ctypes = self.c
        options, compiled = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("CreateOptions", ctypes.byref(options))
        self.call("SetOptionsHardwareAccelerators", options, 1)
        for kind, toml in ((b"xnnpack", f"num_threads = {threads}\n"), PROFILING):
            opaque = ctypes.c_void_p()
            text = ctypes.c_void_p(self.libc.strdup(toml.encode()))
            self.call("CreateOpaqueOptions", kind, text, self.libc.free, ctypes.byref(opaque))
            self.call("AddOpaqueOptions", options, opaque)
        self.call("CreateCompiledModel", self.environment, self.model, options, ctypes.byref(compiled))
        return compiled

    def signature_index(self, key: str) -> int:
        """The number of a signature; 0 for none."""
        ctypes = self.c
        count = ctypes.c_size_t()
        self.call("GetNumModelSignatures", self.model, ctypes.byref(count))
        for index in range(count.value if key else 0):
            signature, name = ctypes.c_void_p(), ctypes.c_char_p()
            self.call("GetModelSignature", self.model, ctypes.c_size_t(index), ctypes.byref(signature))
            self.call("GetSignatureKey", signature, ctypes.byref(name))
            if name.value == key.encode():
                return index
        return 0

    def buffers(self, side: str, arrays: Fields | None) -> Any:
        """A buffer for every input or output; inputs are filled from `arrays`, by name, and resized to them."""
        ctypes = self.c
        count = ctypes.c_size_t()
        self.call(f"GetNumSignature{side}s", self.signature, ctypes.byref(count))
        return (ctypes.c_void_p * count.value)(*(self.buffer(side, index, arrays) for index in range(count.value)))

    def buffer(self, side: str, index: int, arrays: Fields | None) -> Any:
        """One buffer."""
        ctypes = self.c
        place, tensor, needs = ctypes.c_size_t(index), ctypes.c_void_p(), ctypes.c_void_p()
        buffer, kind = ctypes.c_void_p(), (ctypes.c_char * 72)()
        self.call(f"GetSignature{side}TensorByIndex", self.signature, place, ctypes.byref(tensor))
        self.call("GetRankedTensorType", tensor, kind)
        graph = ctypes.c_size_t(self.graph)
        self.call(f"GetCompiledModel{side}BufferRequirements", self.compiled, graph, place, ctypes.byref(needs))
        self.call("CreateManagedTensorBufferFromRequirements", self.environment, kind, needs, ctypes.byref(buffer))
        if arrays is not None:
            name = ctypes.c_char_p()
            self.call("GetSignatureInputName", self.signature, place, ctypes.byref(name))
            array = given_array(arrays, (name.value or b"").decode(errors="replace"))
            address, size = ctypes.c_void_p(), ctypes.c_size_t()
            self.call("GetTensorBufferPackedSize", buffer, ctypes.byref(size))
            if size.value < array.nbytes:
                raise RequestError("no-profiler", "LiteRT's profiler takes the shapes of the file only")
            self.call("LockTensorBuffer", buffer, ctypes.byref(address), 1)
            ctypes.memmove(address, array.tobytes(), array.nbytes)
            self.call("UnlockTensorBuffer", buffer)
        return buffer.value

    def run(self) -> None:
        """One inference."""
        size = self.c.c_size_t
        sides = size(len(self.inputs)), self.inputs, size(len(self.outputs)), self.outputs
        self.call("RunCompiledModel", self.compiled, size(self.graph), *sides)

    def events(self) -> list[Fields]:
        """The events of the profiled run."""
        import ctypes

        class Event(ctypes.Structure):
            _fields_ = [
                ("tag", ctypes.c_char_p),
                ("type", ctypes.c_int),
                *((name, ctypes.c_uint64) for name in ("start_us", "elapsed_us")),
                ("memory", ctypes.c_size_t * 6),
                *((name, ctypes.c_uint64) for name in ("node", "graph")),
                ("source", ctypes.c_int),
            ]

        count = ctypes.c_int()
        self.call("GetNumProfilerEvents", self.profiler, ctypes.byref(count))
        events = (Event * max(count.value, 1))()
        if count.value:
            self.call("GetProfilerEvents", self.profiler, count, events)
        return [
            {"tag": (e.tag or b"").decode(errors="replace"), "type": e.type, "us": e.elapsed_us, "node": e.node}
            for e in events[: count.value]
        ]

    def profile(self, model: Loaded, runs: int, seconds: float) -> Fields:
        """Profile run by run, so that the profiler's buffer holds each of them."""
        events: list[list[Fields]] = []

        def start() -> None:
            self.call("ResetProfiler", self.profiler)
            self.call("StartProfiler", self.profiler)

        def stop() -> None:
            self.call("StopProfiler", self.profiler)
            events.append(kernel_events(self.events()))

        table, made = OpTable(), profiled_runs(self.run, runs, seconds, start, stop)
        for place in used_runs(made):
            for number, event in enumerate(events[place]):
                name = event["tag"][:MAX_OP_NAME_CHARS]
                where = "xnnpack" if event["type"] == DELEGATE_KERNEL else "tflite"
                fields = {"name": f"{event['node']}", "kind": name, "placement": where, "inputs": [], "outputs": []}
                table.add((number, name), fields, event["us"] * 1000)
        model.ops = list(table.ops.values())
        return {"profiler": "LiteRT", "wall_ns": [made[place][0] for place in used_runs(made)], "exact": False}


def kernel_events(events: list[Fields]) -> list[Fields]:
    """The kernels of delegates, and the nodes that no delegate took, in their order."""
    kernels = [event for event in events if event["type"] == DELEGATE_KERNEL]
    nodes = [event for event in events if event["type"] == NODE and not event["tag"].startswith("Delegate/")]
    return [*kernels, *nodes]


def load_litert(path: str, threads: int, request: Fields, version: str) -> Loaded:
    """A model that is profiled by LiteRT's C API."""
    if version not in LITERT_VERSIONS:
        raise RequestError("no-profiler", f"expected one of {', '.join(LITERT_VERSIONS)}, but found {version}")
    if request.get("arrays") is None:
        raise RequestError("bad-request", "expected the values of the inputs of a model to profile")
    compiled = LiteRt(path, threads, request)
    model = Loaded(compiled.run, "xnnpack", version, [])
    model.profile = lambda runs, seconds: compiled.profile(model, runs, seconds)
    return model


class TracedInputs(pickle.Unpickler):
    """Reads the input shapes that torch.jit.trace stores in its file, and constructs nothing else from it."""

    def find_class(self, module: str, name: str) -> Any:
        """Stand-ins for the classes that these files name; anything else is refused."""
        known: Fields = {
            "torch.jit._pickle restore_type_tag": lambda value, _tag: value,
            "torch._utils _rebuild_tensor_v2": lambda storage, _offset, shape, *_rest: {
                "dtype": storage,
                "shape": shape,
            },
            "collections OrderedDict": dict,
        }
        if module == "torch" and name.endswith("Storage"):
            return name
        if f"{module} {name}" not in known:
            raise RequestError("bad-model", f"expected tensors as a TorchScript's stored inputs, but found {name}")
        return known[f"{module} {name}"]

    def persistent_load(self, pid: Any) -> Any:
        """The class name of a storage."""
        return pid[1]


def torch_inputs(path: str, request: Fields) -> list[Fields]:
    """Shapes of a TorchScript's inputs: from the request, otherwise as stored in the file by the trace."""
    shapes = request.get("input_shapes")
    if shapes is None:
        with zipfile.ZipFile(path) as archive:
            stored = [name for name in archive.namelist() if name.endswith("/traced_inputs.pkl")]
            if not stored:
                raise RequestError("bad-model", "the TorchScript stores no inputs; expected input_shapes with it")
            traced = TracedInputs(io.BytesIO(archive.read(stored[0]))).load()["forward"]
        if any(item["dtype"] != "FloatStorage" for item in traced):
            raise RequestError("bad-model", f"expected inputs of float32, but found {traced}")
        shapes = [item["shape"] for item in traced]
    return [{"name": f"input{index}", "shape": list(n), "dtype": "float32"} for index, n in enumerate(shapes)]


def load_torchscript(path: str, request: Fields, device: str) -> tuple[Callable[[], object], list[Fields]]:
    """A TorchScript with its inputs bound, and the description of its inputs."""
    import torch

    inputs = torch_inputs(path, request)
    torch.inference_mode().__enter__()  # never left: this process does not train, and entering again takes time
    script = torch.jit.load(path, map_location=device).eval()  # type: ignore[no-untyped-call]
    arrays = [random_input(item["shape"], item["dtype"], SEED + index) for index, item in enumerate(inputs)]
    arguments = [torch.from_numpy(array).to(device) for array in arrays]
    return lambda: script(*arguments), inputs


def load_torch(path: str, threads: int, request: Fields) -> Loaded:
    """A TorchScript on the CPU."""
    import torch

    torch.set_num_threads(threads)
    run, inputs = load_torchscript(path, request, "cpu")
    return Loaded(run, "cpu", f"torch {torch.__version__}", inputs)


def load_torch_cuda(path: str, threads: int, request: Fields) -> Loaded:
    """A TorchScript on a CUDA GPU, timed by device events. A captured graph saves small networks the
    launch overhead.
    """
    import torch

    if not torch.cuda.is_available():
        raise RequestError("runtime-missing", "torch finds no CUDA device")
    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = False  # fp32 means fp32
    direct, inputs = load_torchscript(path, request, "cuda")
    call, delegate = captured(direct)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]

    def run() -> None:
        start.record()
        call()
        end.record()
        end.synchronize()

    model = Loaded(run, delegate, f"torch {torch.__version__}", inputs)
    model.device_ns = lambda: max(round(start.elapsed_time(end) * 1e6), 1)
    return model


def captured(call: Callable[[], object]) -> tuple[Callable[[], object], str]:
    """The call as a CUDA graph if it can be captured, otherwise the call itself; and which of the two."""
    import torch

    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.cuda.stream(stream):  # TorchScript optimizes itself in its first runs, which must not be captured
        for _ in range(3):
            call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            call()
    except RuntimeError:
        torch.cuda.synchronize()
        return call, "cuda"
    return graph.replay, "cuda-graph"


LOADERS: dict[str, Callable[[str, int, Fields], Loaded]] = {
    "onnxruntime": load_onnxruntime,
    "tflite": load_tflite,
    "torch": load_torch,
    "torch_cuda": load_torch_cuda,
}


def add_loader(name: str, path: str) -> None:
    """Learn a runtime from a Python file with `version()` and `load(path, threads, request)`.

    The file's functions may use `Loaded`, `RequestError`, `concrete`, `random_input` and `SEED`.
    """
    IMPORTS[(name,)] = f"from runpy import run_path; print(run_path({path!r})['version']())"
    helpers = (Loaded, RequestError, concrete, random_input)
    known: Fields = {"SEED": SEED, **{one.__name__: one for one in helpers}}
    LOADERS[name] = lambda *arguments: run_path(path, init_globals=known)["load"](*arguments)


# Timing


class Samples:
    """Raw times of runs, one entry per run."""

    def __init__(self) -> None:
        self.wall_ns: list[int] = []
        self.cpu_ns: list[int] = []
        self.preemptions: list[int] = []


def timed_runs(model: Loaded, count: int, samples: Samples) -> None:
    """Time that many runs. The wall clock is read innermost and encloses one call of the runtime."""
    run, device_ns, wall_clock, cpu_clock = model.run, model.device_ns, time.perf_counter_ns, time.process_time_ns
    usage, whom = resource.getrusage, resource.RUSAGE_SELF
    for _ in range(count):
        switches = usage(whom).ru_nivcsw
        cpu_start = cpu_clock()
        start = wall_clock()
        run()
        end = wall_clock()
        cpu_end = cpu_clock()
        samples.preemptions.append(usage(whom).ru_nivcsw - switches)
        samples.wall_ns.append(end - start if device_ns is None else device_ns())
        samples.cpu_ns.append(cpu_end - cpu_start)


def warm_up(model: Loaded, limit_ns: int) -> list[int]:
    """Run until the times stop falling, at most that long. Returns the time of every run in ns."""
    runs: list[int] = []
    fastest, steady = sys.maxsize, 0
    begin = time.perf_counter_ns()
    while steady < STEADY_RUNS and (not runs or time.perf_counter_ns() - begin < limit_ns):
        start = time.perf_counter_ns()
        model.run()
        runs.append(max(time.perf_counter_ns() - start, 1))
        steady = 0 if runs[-1] < STILL_FALLING * fastest else steady + 1
        fastest = min(fastest, runs[-1])
    return runs


def paced_runs(model: Loaded, interval_s: float, runs: int) -> Fields:
    """Runs that begin at an interval, if the one before has ended; see `pace` in the protocol."""
    samples, missed = Samples(), 0
    timed_runs(model, 1, Samples())
    energy_before = energy_uj()
    due = time.perf_counter()
    for _ in range(runs):
        due += interval_s
        left_s = due - time.perf_counter()
        if left_s > 0:
            time.sleep(left_s)
        elif interval_s:
            missed += 1
            due = time.perf_counter()
        timed_runs(model, 1, samples)
    after = energy_uj()
    used = {name: after[name] - start for name, start in energy_before.items() if after.get(name, -1) >= start}
    return {"wall_ns": samples.wall_ns, "cpu_ns": samples.cpu_ns, "missed": missed, "energy_uj": used}


def energy_uj() -> dict[str, int]:
    """Counters of energy in microjoules by zone, of zones that are part of no other; empty if none can be read."""
    base = f"{SYSFS}/class/powercap"
    zones = sorted(os.listdir(base)) if os.path.isdir(base) else []  # noqa: PTH112, PTH208
    found = {zone: read_int(f"{base}/{zone}/energy_uj") for zone in zones if zone.count(":") == 1}
    return {zone: value for zone, value in found.items() if value is not None}


def runs_per_block(fastest_ns: int, block_ns: int) -> int:
    """Number of timed runs that take about the given time."""
    return min(max(round(block_ns / fastest_ns), 1), MAX_RUNS_PER_BLOCK)


def time_round(workload: Loaded, reference: Loaded, round_s: float, round_runs: int) -> Fields:
    """One round; see `time` in the protocol."""
    # the first runs of a block find a cold cache: they count as inference time, but are not reported
    workload_samples, reference_samples, discarded = Samples(), Samples(), Samples()
    begin = time.perf_counter_ns()
    limit = int(round_s * 1e9)
    reference_warm_up = warm_up(reference, int(limit * WARM_UP_SHARE / 5))
    subject_warm_up = warm_up(workload, int(limit * WARM_UP_SHARE))
    subject_runs = runs_per_block(min(subject_warm_up), SUBJECT_BLOCK_NS)
    reference_runs = runs_per_block(min(reference_warm_up), REFERENCE_BLOCK_NS)
    rewarming_runs = 1 if min(subject_warm_up) < SUBJECT_BLOCK_NS else 0  # a long run hardly notices a cold cache
    while True:
        timed_runs(reference, 1, discarded)
        timed_runs(reference, reference_runs, reference_samples)
        timed_runs(workload, rewarming_runs, discarded)
        timed_runs(workload, min(subject_runs, round_runs - len(workload_samples.wall_ns)), workload_samples)
        if len(workload_samples.wall_ns) >= round_runs or time.perf_counter_ns() - begin >= limit:
            break
    return {
        "wall_ns": workload_samples.wall_ns,
        "cpu_ns": workload_samples.cpu_ns,
        "preemptions": workload_samples.preemptions,
        "reference_wall_ns": reference_samples.wall_ns,
        "reference_cpu_ns": reference_samples.cpu_ns,
        "inference_ns": sum(
            map(
                sum,
                (
                    reference_warm_up,
                    subject_warm_up,
                    discarded.wall_ns,
                    reference_samples.wall_ns,
                    workload_samples.wall_ns,
                ),
            )
        ),
        "turn": {
            "subject_runs": subject_runs,
            "reference_runs": reference_runs,
            "warm_up_runs": len(subject_warm_up),
        },
    }


# Requests


def required_field(request: Fields, name: str, kind: type, minimum: float = 0) -> Any:
    """A field of a request, of that type and at least `minimum`."""
    value = request.get(name)
    good = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if not good or isinstance(value, bool) or (isinstance(value, (int, float)) and value < minimum):
        raise RequestError(
            "bad-request", f"expected {name} as {kind.__name__} of at least {minimum}, but found {value!r}"
        )
    return value


class Agent:
    """The loaded models, and the handler of each request."""

    def __init__(self, models: str) -> None:
        self.models = models
        self.free_affinity = affinity()
        self.loaded: dict[int, Loaded] = {}
        self.next_handle = 1
        self.ended = False
        self.requests: dict[str, Callable[[Fields], Fields]] = {
            "hello": self.hello,
            "probe": self.probe,
            "conditions": self.conditions,
            "pin": self.pin,
            "files": self.files,
            "load": self.load,
            "time": self.time,
            "pace": self.pace,
            "profile": self.profile,
            "ops": self.ops,
            "unload": self.unload,
            "quit": self.quit,
        }

    def answer(self, request: Fields) -> Fields:
        """Handle a request. Raises RequestError."""
        name = request.get("request")
        handler = self.requests.get(name) if isinstance(name, str) else None
        if handler is None:
            raise RequestError("unknown-request", f"expected one of {', '.join(self.requests)}, but found {name!r}")
        return handler(request)

    def hello(self, request: Fields) -> Fields:
        """Shake hands."""
        theirs = request.get("protocol")
        if theirs != PROTOCOL:
            raise RequestError("protocol", f"the agent speaks protocol {PROTOCOL}, but the host asks for {theirs!r}")
        return {"protocol": PROTOCOL, "agent": AGENT}

    def probe(self, request: Fields) -> Fields:
        """Report what the device is, and which runtimes work on it."""
        present, absent = runtimes(float(request.get("runtimes_s", 60)))
        return {"facts": facts(), "runtimes": present, "absent": absent}

    def conditions(self, _request: Fields) -> Fields:
        """Report the current conditions."""
        return conditions(self.models)

    def pin(self, request: Fields) -> Fields:
        """Restrict models loaded from now on to some cores; without any, to those that the agent was started on."""
        requested = required_field(request, "cores", list)
        if not all(isinstance(core, int) and not isinstance(core, bool) and core >= 0 for core in requested):
            raise RequestError("bad-request", f"expected cores as numbers, but found {requested!r:.100}")
        pin_to(requested or self.free_affinity)
        if requested and affinity() != sorted(set(requested)):  # some are unavailable: restore the affinity
            pin_to(self.free_affinity)
        return {"affinity": affinity()}

    def files(self, _request: Fields) -> Fields:
        """Report which models are here."""
        return {"sha256": sorted(name for name in os.listdir(self.models) if len(name) == 64)}  # noqa: PTH208

    def load(self, request: Fields) -> Fields:
        """Load a model and run it once."""
        name, sha256 = required_field(request, "runtime", str), required_field(request, "sha256", str)
        threads = required_field(request, "threads", int, 1)
        if name not in LOADERS:
            raise RequestError("bad-request", f"expected a runtime of {', '.join(LOADERS)}, but found {name!r}")
        path = self.verified(sha256)
        request = {**request, "arrays": self.given_arrays(request), "trace": f"{path}.trace"}
        reset_peak_memory()
        before_bytes = own_memory("VmRSS")
        start = time.perf_counter()
        try:
            model = self.started(path, LOADERS[name], threads, request)
        except ImportError as error:
            raise RequestError("runtime-missing", f"{name} cannot be imported: {error}") from error
        except (RequestError, MemoryError):
            raise
        except Exception as error:  # runtimes raise their own exception types
            kind = "memory" if any(text in str(error) for text in NO_MEMORY) else "bad-model"
            raise RequestError(kind, f"{name} rejects the model {sha256[:12]}: {error}"[:1000]) from error
        handle, self.next_handle = self.next_handle, self.next_handle + 1
        self.loaded[handle] = model
        gc.collect()
        gc.freeze()  # memory of a runtime lives as long as the process: no collection need scan it
        known: Fields = {
            "handle": handle,
            "runtime_version": model.version,
            "delegate": model.delegate,
            "inputs": model.inputs,
            "load_s": time.perf_counter() - start,
            "create_s": model.create_s,
            "first_run_s": model.first_run_s,
            "peak_memory_bytes": own_memory("VmHWM"),
            "memory_bytes": (own_memory("VmRSS") or 0) - (before_bytes or 0) if before_bytes else None,
            "energy_sensors": list(energy_uj()) or None,
            "bound_inputs": len(model.inputs) if request["arrays"] is not None else None,
        }
        return {field: value for field, value in known.items() if value is not None}

    def started(self, path: str, loader: Callable[[str, int, Fields], Loaded], threads: int, request: Fields) -> Loaded:
        """A model that has run once. Nothing is left behind by one that fails."""
        try:
            with self.beside_its_data(path, request) as place:
                model = loader(place, threads, request)
                model.run()
                return model
        except BaseException:
            remove_trace(request["trace"])
            raise

    def given_arrays(self, request: Fields) -> Fields | None:
        """The inputs' values that a request names, by input; None if it names none."""
        bindings = request.get("bindings")
        if bindings is None:
            return None
        if not isinstance(bindings, dict):
            raise RequestError("bad-request", f"expected bindings as an object, but found {bindings!r:.100}")
        path = self.verified(required_field(bindings, "sha256", str))
        entries = required_field(bindings, "inputs", list)
        if len(entries) > MAX_BOUND_INPUTS:
            raise RequestError("bad-request", f"expected at most {MAX_BOUND_INPUTS} inputs, but found {len(entries)}")
        return dict(bound_array(path, entry) for entry in entries)

    @contextmanager
    def beside_its_data(self, path: str, request: Fields) -> Iterator[str]:
        """Path of a model beside its external data, under the names that the model gives them."""
        entries = request.get("external") or []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise RequestError("bad-request", f"expected external as a list of objects, but found {entries!r:.100}")
        if not entries:
            yield path
            return
        folder = f"{path}.{os.getpid()}"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            for entry in [*entries, {"location": MODEL_NAME, "sha256": os.path.basename(path)}]:  # noqa: PTH119
                location, sha256 = required_field(entry, "location", str), required_field(entry, "sha256", str)
                place = os.path.normpath(os.path.join(folder, location))  # noqa: PTH118
                if not place.startswith(folder + os.sep) or "\0" in location:
                    raise RequestError("bad-request", f"expected a location within the folder, but found {location!r}")
                os.makedirs(os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120
                link_or_copy(self.verified(sha256), place)
            yield os.path.join(folder, MODEL_NAME)  # noqa: PTH118
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def verified(self, sha256: str) -> str:
        """Path of a model whose content matches its name."""
        if len(sha256) != 64 or not sha256.isalnum():
            raise RequestError("bad-request", f"expected a SHA-256 in hex, but found {sha256!r}")
        path = os.path.join(self.models, sha256)  # noqa: PTH118
        if not os.path.isfile(path):  # noqa: PTH113
            raise RequestError("missing-file", f"no model {sha256} is on the device")
        content = hashlib.sha256()
        with open(path, "rb") as file:  # noqa: PTH123
            for chunk in iter(lambda: file.read(1 << 20), b""):
                content.update(chunk)
        if content.hexdigest() != sha256:
            os.remove(path)  # noqa: PTH107
            raise RequestError("hash-mismatch", f"the file of model {sha256} holds something else; it was removed")
        return path

    def model(self, request: Fields, name: str) -> Loaded:
        """The loaded model that a field of the request names."""
        handle = request.get(name)
        if handle not in self.loaded:
            raise RequestError("no-such-handle", f"expected {name} of a loaded model, but found {handle!r}")
        return self.loaded[handle]

    def time(self, request: Fields) -> Fields:
        """Time a round, with the garbage collector off."""
        workload, reference = self.model(request, "handle"), self.model(request, "reference")
        round_s, round_runs = required_field(request, "visit_s", float), required_field(request, "visit_runs", int, 1)
        gc.collect()
        gc.disable()
        try:
            return time_round(workload, reference, round_s, round_runs)
        finally:
            gc.enable()

    def pace(self, request: Fields) -> Fields:
        """Time runs that begin at an interval, with the garbage collector off."""
        model = self.model(request, "handle")
        interval_s, runs = required_field(request, "interval_s", float), required_field(request, "runs", int, 1)
        if runs > MAX_PACED_RUNS or interval_s > MAX_INTERVAL_S:
            raise RequestError("bad-request", f"expected at most {MAX_PACED_RUNS} runs, {MAX_INTERVAL_S} s apart")
        gc.collect()
        gc.disable()
        try:
            return paced_runs(model, interval_s, runs)
        finally:
            gc.enable()

    def profile(self, request: Fields) -> Fields:
        """Profile the ops of a model that was loaded for it."""
        model = self.model(request, "handle")
        runs, seconds = required_field(request, "runs", int, 1), required_field(request, "seconds", float)
        if model.profile is None:
            raise RequestError("no-profiler", "the model was not loaded for profiling, or its runtime has no profiler")
        return {**model.profile(min(runs, MAX_PROFILED_RUNS), seconds), "ops": len(model.ops)}

    def ops(self, request: Fields) -> Fields:
        """Part of the last profile's ops: a long list takes several answers."""
        model, first = self.model(request, "handle"), required_field(request, "first", int)
        return {"ops": model.ops[first : first + OPS_PER_ANSWER]}

    def unload(self, request: Fields) -> Fields:
        """Unload a model."""
        self.model(request, "handle")
        remove_trace(self.loaded.pop(request["handle"]).trace)
        return {}

    def quit(self, _request: Fields) -> Fields:
        """End after the answer."""
        self.ended = True
        return {}


# The conversation


class LineWriter:
    """Writes lines, and a heartbeat while the agent works."""

    def __init__(self, out: BinaryIO) -> None:
        self.out = out
        self.lock = threading.Lock()
        self.working = threading.Event()
        self.idle = threading.Event()
        threading.Thread(target=self.send_heartbeats, daemon=True).start()

    def write_line(self, line: Fields) -> None:
        """Write one line. If no host reads it, the agent ends."""
        with self.lock:
            try:
                self.out.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
                self.out.flush()
            except OSError:
                os._exit(1)

    def send_heartbeats(self) -> None:
        """Report every second that the work continues."""
        count = 0
        while True:
            self.working.wait()
            if not self.idle.wait(HEARTBEAT_S):
                count += 1
                self.write_line({"heartbeat": count})

    def set_busy(self, working: bool) -> None:
        """Start or stop the heartbeat."""
        (self.idle.clear if working else self.idle.set)()
        (self.working.set if working else self.working.clear)()


def parse_request(line: bytes) -> Fields:
    """The request in a line."""
    try:
        request = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise RequestError("garbage", f"expected a JSON object in a line, but found {line[:80]!r}: {error}") from error
    if not isinstance(request, dict):
        raise RequestError("garbage", f"expected a JSON object in a line, but found {line[:80]!r}")
    return request


def answer_line(agent: Agent, line: bytes) -> Fields:
    """The response to a line: a result or an error, with the request's id."""
    number = None
    try:
        request = parse_request(line)
        number = request.get("id")
        return {"id": number, "result": agent.answer(request)}
    except RequestError as error:
        kind, message = error.kind, str(error)
    except MemoryError:
        kind, message = "memory", "the device ran out of memory"
    except Exception as error:  # noqa: BLE001 - the agent survives any failure of a request
        kind, message = "failed", f"{type(error).__name__}: {error}"
    return {"id": number, "error": {"kind": kind, "message": message}}


def end_with_host(lines: BinaryIO, put: Callable[[bytes], None]) -> None:
    """Pass lines on, and end the process when the host has gone, even during work."""
    for line in iter(lines.readline, b""):
        put(line)
    os._exit(0)


def private_stdout() -> BinaryIO:
    """The real stdout; output of runtimes goes to stderr from now on."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return out


def main() -> None:
    """Answer requests until `quit` or the end of stdin."""
    parser = argparse.ArgumentParser(description="latkit's agent; see docs/agent-protocol.md")
    parser.add_argument("--models", required=True, help="folder of the model files, named by their SHA-256")
    parser.add_argument("--loader", action="append", default=[], metavar="NAME=FILE", help="a further runtime")
    arguments = parser.parse_args()
    for text in arguments.loader:
        add_loader(*text.split("=", 1))
    models = arguments.models
    os.makedirs(models, exist_ok=True)  # noqa: PTH103
    writer, agent = LineWriter(private_stdout()), Agent(models)
    incoming: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=end_with_host, args=(sys.stdin.buffer, incoming.put), daemon=True).start()
    while not agent.ended:
        line = incoming.get()
        writer.set_busy(True)
        answer = answer_line(agent, line)
        writer.set_busy(False)
        writer.write_line(answer)
    os._exit(0)  # runtimes may hang in their own clean-up


if __name__ == "__main__":
    main()
