"""Lines of JSON: requests in, answers and heartbeats out."""

from __future__ import annotations

import json
import os
import threading
from typing import BinaryIO, Callable  # noqa: UP035 - Python 3.8 runs this

from .agent import Agent
from .requests import Fields, RequestError

HEARTBEAT_S = 1.0


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
