"""onnxruntime in a separate process, for models that may crash it."""

from __future__ import annotations

import atexit
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from latkit.runtimes.onnx import worker as onnx_worker

MAX_SECONDS = 60.0
"""Timeout for loading a model and running it once."""

START_SECONDS = 60.0

_REASONS = (
    (r"No Op registered for (\S+) with domain_version of (\d+)", r"\1, which release \2 of ONNX's operators lacks"),
    (r"Could not find an implementation for ([\w.]+)\(\d+\)", r"\1, which it does not compute on these types"),
    (r"Unsupported model IR version: (\d+)", r"version \1 of the file format, which is newer than it knows"),
    (r"ShapeInferenceError|TypeInferenceError|incompatible dimensions|Mismatch", "shapes or types that do not fit"),
    (r"corrupted protobuf data|Invalid tensor data|does not match the data size", "a tensor with broken data"),
    (r"cyclic|Cycle|topological", "nodes that wait for each other"),
    (r"bad_alloc|Failed to allocate|MemoryError", "one that takes more memory than a network should"),
    (r"^it ended|^it took", "one that brings it down"),
)
"""Messages of onnxruntime, and their meaning."""


class RuntimeRefused(Exception):
    """onnxruntime refuses a model; the message is onnxruntime's own."""


def reason(error: Exception) -> str:
    """The cause of onnxruntime's error in the user's terms; its own message is the error's detail."""
    text = str(error)
    for pattern, meaning in _REASONS:
        found = re.search(pattern, text)
        if found:
            return found.expand(meaning)[:200]
    return "one that it refuses"


def fold(model: bytes, disabled: tuple[str, ...] = ()) -> bytes:
    """The model after basic optimization, without some of its steps. Raises RuntimeRefused."""
    with tempfile.TemporaryDirectory(prefix="latkit-") as folder:
        given, folded = Path(folder, "model.onnx"), Path(folder, "folded.onnx")
        given.write_bytes(model)
        _ask({"model": str(given), "optimized": str(folded), "disabled": list(disabled), "run": False})
        return folded.read_bytes()


def optimized_graphs(path: Path) -> Iterator[Any]:
    """The model of a file after all optimizations, then without those of the memory layout. Raises RuntimeRefused."""
    import onnx

    with tempfile.TemporaryDirectory(prefix="latkit-") as folder:
        written = Path(folder, "optimized.onnx")
        for level in ("ORT_ENABLE_ALL", "ORT_ENABLE_EXTENDED"):
            _ask({"model": str(path), "optimized": str(written), "level": level, "disabled": [], "run": False})
            yield onnx.load(written)


def shapes_by_running(model: bytes) -> dict[str, tuple[int, ...]]:
    """The shapes of a model's outputs, found by running it once on inputs of ones. Raises RuntimeRefused."""
    with tempfile.TemporaryDirectory(prefix="latkit-") as folder:
        given = Path(folder, "model.onnx")
        given.write_bytes(model)
        answer = _ask({"model": str(given), "optimized": "", "disabled": [], "run": True})
        return {name: tuple(shape) for name, shape in answer["shapes"].items()}


class _Worker:
    """A running worker."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.process = subprocess.Popen(  # noqa: S603 - our own file
            # -P: modules of its own folder have the names of packages that it imports
            [sys.executable, "-P", onnx_worker.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt at the terminal is handled by the parent
        )
        self.seconds = START_SECONDS + MAX_SECONDS

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request. Raises RuntimeRefused where the process ends or takes too long."""
        assert self.process.stdin
        assert self.process.stdout
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(self.seconds):
                raise RuntimeRefused(f"it took more than {self.seconds:.0f} s")
        self.seconds = MAX_SECONDS
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise RuntimeRefused(f"it ended with {_ending(self.process.wait(timeout=MAX_SECONDS))}")
        found: dict[str, Any] = json.loads(line)
        return found

    def stop(self) -> None:
        """End the worker process."""
        if self.owner != os.getpid():
            return
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]


def _ending(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


_LOCK = threading.Lock()
_running: list[_Worker] = []


def _ask(request: dict[str, Any]) -> dict[str, Any]:
    """Send a request to the worker, started at the first request and again after it ended."""
    with _LOCK:
        if _running and _running[0].owner != os.getpid():  # a worker of the process that we were forked from
            _running.clear()
        if not _running:
            _running.append(_Worker())
        try:
            answer = _running[0].ask(request)
        except BaseException:
            _running.pop().stop()
            raise
    if "error" in answer:
        raise RuntimeRefused(answer["error"])
    return answer


@atexit.register
def _stop() -> None:
    for worker in _running:
        worker.stop()
