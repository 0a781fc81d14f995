"""An agent that lies: it answers as the protocol requires, with round numbers, unless a script makes it misbehave.

It measures nothing and runs nothing. A script is a JSON document: `answers`, a list of [request, path, text] that puts
a piece of JSON at that path of the answer, and `deeds`, a list of [request, deed, text].
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.fuzzing import trees

Script = Mapping[str, Any]
HONEST: Script = {"answers": [], "deeds": []}
PROTOCOL = 1
ROUND_NS = 1_000_000
CHUNK = 65536
FACTS = {
    "model": "A board",
    "architecture": "aarch64",
    "instruction_set": ["asimd"],
    "cores": [{"index": 0, "min_khz": 600_000, "max_khz": 1_800_000, "capacity": 1024}, {"index": 1}],
    "memory_bytes": 2**32,
    "os": "An OS",
    "kernel": "6.1",
    "libc": "glibc 2.36",
    "hostname": "board",
    "python_version": "3.11.2",
    "governor": "performance",
    "boot_id": "11111111-1111-1111-1111-111111111111",
}
CONDITIONS = {
    "frequencies_khz": [1_000_000, 1_000_000],
    "temperatures_c": {"zone": 40.0},
    "trips_c": {"zone": 90.0},
    "load1": 0.0,
    "free_memory_bytes": 2**32,
    "free_disk_bytes": 2**33,
    "governor": "performance",
    "affinity": [0, 1],
}
RUNS = [ROUND_NS] * 3
BLOCK = {"subject_runs": 3, "reference_runs": 3, "warm_up_runs": 1}


def honest(request: Mapping[str, Any], handles: Iterator[int]) -> dict[str, Any]:
    """The answer to a request."""
    name = request.get("request")
    answers: dict[Any, Callable[[], dict[str, Any]]] = {
        "hello": lambda: {"protocol": PROTOCOL, "agent": "latkit-python-1"},
        "probe": lambda: {
            "facts": FACTS,
            "runtimes": {"onnxruntime": "onnxruntime 1"},
            "absent": {"tflite": "not there", "torch": "not there", "torch_cuda": "not there"},
        },
        "conditions": lambda: {**CONDITIONS, "monotonic_s": time.monotonic(), "unix_s": time.time()},
        "pin": lambda: {"affinity": request.get("cores")},
        "files": lambda: {"sha256": []},
        "load": lambda: {
            "handle": next(handles),
            "runtime_version": "onnxruntime 1",
            "delegate": "CPUExecutionProvider",
            "inputs": [],
            "load_s": 0.0,
        },
        "time": lambda: {
            "wall_ns": RUNS,
            "cpu_ns": RUNS,
            "preemptions": [0, 0, 0],
            "reference_wall_ns": RUNS,
            "reference_cpu_ns": RUNS,
            "inference_ns": 9 * ROUND_NS,
            "turn": BLOCK,
        },
    }
    return answers.get(name, dict)()


class Agent:
    """Writes output piece by piece. A piece may end anywhere in a line."""

    def __init__(self, script: Script, give_up: Callable[[], bool] = lambda: False) -> None:
        self._script = script
        self._handles = iter(range(1, 1_000_000))
        self._give_up = give_up
        """Whether the reader is gone: then endless output ends."""

    def conversation(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """What is sent before any request, and then after each line."""
        yield from self._done("start", b"")
        for line in lines:
            yield from self._answer(line)

    def _answer(self, line: bytes) -> Iterator[bytes]:
        """The answer to a line."""
        try:
            request = json.loads(line)
        except ValueError:
            return
        document = trees.parse({"id": request.get("id"), "result": honest(request, self._handles)})
        for name, path, text in self._script["answers"]:
            if name == request.get("request"):
                document = put(document, path, trees.Raw(text))
        reply = trees.to_json(document).encode("utf-8", "surrogatepass") + b"\n"
        yield from self._done(str(request.get("request")), reply)

    def _done(self, name: str, reply: bytes) -> Iterator[bytes]:
        deeds = [(deed, text.encode("latin-1")) for on, deed, text in self._script["deeds"] if on == name]
        if not deeds:
            yield reply
        for deed, content in deeds:
            yield from self._deed(deed, content, reply)

    def _deed(self, deed: str, content: bytes, reply: bytes) -> Iterator[bytes]:
        deeds: dict[str, Callable[[], Iterable[bytes]]] = {
            "instead": lambda: [content],
            "before": lambda: [content + reply],
            "after": lambda: [reply + content],
            "exit": lambda: sys.exit(3),
            "stderr": lambda: self._on_stderr(content, reply),
            "die": lambda: self._die(content),
            "drip": lambda: self._drip(reply),
            "endless": lambda: self._endless(content),
            "silence": lambda: self._sleep(1000.0),
        }
        yield from deeds[deed]()

    def _on_stderr(self, content: bytes, reply: bytes) -> Iterator[bytes]:
        sys.stderr.buffer.write(content)
        sys.stderr.flush()
        yield reply

    def _die(self, content: bytes) -> tuple[()]:
        list(self._on_stderr(content, b""))
        sys.exit(3)

    def _drip(self, reply: bytes) -> Iterator[bytes]:
        for byte in reply:
            yield bytes([byte])
            self._sleep(0.25)

    def _endless(self, content: bytes) -> Iterator[bytes]:
        while not self._give_up():
            yield content * (CHUNK // len(content))

    def _sleep(self, seconds: float) -> tuple[()]:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._give_up():
            time.sleep(0.05)
        return ()


def put(document: Any, path: list[str | int], value: Any) -> Any:
    """A document with another value at a path; with a further one, if the path's last part names none."""
    if not path:
        return value
    name, *rest = path
    if isinstance(document, trees.Pairs):
        found = [put(old, rest, value) if key == name else old for key, old in document]
        changed = trees.Pairs((key, new) for (key, _), new in zip(document, found, strict=True))
        if name not in [key for key, _ in document]:
            changed.append((str(name), put(trees.Pairs(), rest, value)))
        return changed
    if isinstance(document, list):
        return [put(old, rest, value) if index == name else old for index, old in enumerate(document)]
    return value


INTERPRETER = """#!{python} -IS
import sys
sys.path.insert(0, {root!r})
from benchmarks.fuzzing.hostile.agent import main
main({folder!r})
"""


def interpreter(folder: Path) -> Path:
    """A local device's Python: it is the agent, whose script is the file `script.json` there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "python3"
    root = str(Path(__file__).resolve().parents[3])
    path.write_text(INTERPRETER.format(python=sys.executable, root=root, folder=str(folder)))
    path.chmod(0o755)
    return path


def main(folder: str) -> None:
    """Answer on stdout what comes on stdin; to a request for its version, print the path that a script gives."""
    given = Path(folder, "script.json")
    script: Script = json.loads(given.read_text()) if given.exists() else HONEST
    if "--models" not in sys.argv:
        reply = script.get("python", f"{folder}/python3\n")
        sys.stdout.buffer.write(reply.encode("latin-1"))
        sys.exit(0)
    agent = Agent(script)
    try:
        for chunk in agent.conversation(iter(sys.stdin.buffer.readline, b"")):
            sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
    except OSError:
        os._exit(1)  # the reader is gone
