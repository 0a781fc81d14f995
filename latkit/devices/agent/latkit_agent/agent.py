"""The handler of each request, and the loaded models."""

from __future__ import annotations

import gc
import hashlib
import os
import time
from contextlib import contextmanager
from typing import Callable, Iterator  # noqa: UP035 - Python 3.8 runs this

from .device.conditions import conditions, own_memory, reset_peak_memory
from .device.device_info import affinity, facts, pin_to
from .device.energy import energy_uj
from .files import MODEL_NAME, link_or_copy, remove_trace
from .loaders import LOADERS
from .loaders.installed import runtimes
from .models import MAX_BOUND_INPUTS, Loaded, bound_array
from .requests import Fields, RequestError, required_field
from .timing import paced_runs, time_round

PROTOCOL = 1
AGENT = "latkit-python-1"
MAX_PACED_RUNS = 2**20
MAX_INTERVAL_S = 3600.0
MAX_PROFILED_RUNS = 1000
OPS_PER_ANSWER = 500
NO_MEMORY = ("allocate memory", "bad_alloc", "not enough memory", "out of memory")
"""What runtimes print when memory runs out; they raise their own exception types."""


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
        import shutil  # it takes long to import, and few models have such data

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
