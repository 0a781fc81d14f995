"""LiteRT's C API, which profiles the kernels inside XNNPACK."""

from __future__ import annotations

import os
from typing import Any

from ..models import Loaded, given_array
from ..op_profile import MAX_OP_NAME_CHARS, OpTable, profiled_runs, used_runs
from ..requests import Fields, RequestError

LITERT_VERSIONS = ("ai-edge-litert 2.3.0",)
PROFILING = (b"runtime_options_string", "enable_profiling = true\n")
"""Kind and text of the option that gives a compiled model a profiler."""
NODE, DELEGATE_KERNEL = 2, 8
"""LiteRT's types of profiler events."""


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
