"""The link: the host's end of the connection to an agent (see docs/agent-protocol.md)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from types import TracebackType

from latkit._io import one_line, parse_json
from latkit._io.reading import describe_error
from latkit.devices.agent import PROTOCOL
from latkit.devices.sessions.answers import Hello, checked
from latkit.devices.transports import Stream
from latkit.errors import AgentError, DeadlineExceeded, DeviceError, DeviceGone

Answer = Mapping[str, object]

HELLO_S = 60.0
"""An interpreter on a slow board that was just booted starts slowly."""
SILENCE_S = 10.0
"""A working agent that is silent for this long counts as dead: its heartbeat comes every second."""
MAX_KIND_CHARS = 100
MAX_MESSAGE_CHARS = 2000
"""Maximum length of an agent's error: runtimes explain at length why they reject a model."""


class Link:
    """Sends requests to an agent, one at a time. After a failure of the link itself, the agent is killed.

    `silence_s`: how long a working agent may be silent, heartbeat included.
    """

    def __init__(self, stream: Stream, device: str, silence_s: float = SILENCE_S) -> None:
        self._stream = stream
        self._device = device
        self._silence_s = silence_s
        self._request_id = 0

    def hello(self) -> Answer:
        """Shake hands. Raises AgentError if the agent has another protocol version."""
        answer = self._ask("hello", HELLO_S, HELLO_S, {"protocol": PROTOCOL})
        try:
            spoken = checked(Hello, answer, "hello", self._device).protocol
        except DeviceError:
            self.close()
            raise
        if spoken != PROTOCOL:
            self.close()
            raise AgentError("protocol", f"expected protocol {PROTOCOL}, but found {spoken}")
        return answer

    def ask(self, request: str, deadline_s: float, **fields: object) -> Answer:
        """The agent's response to a request.

        Raises AgentError if the agent reports a failure. Raises DeadlineExceeded and DeviceGone, after which the link
        is closed.
        """
        return self._ask(request, deadline_s, self._silence_s, fields)

    def ask_blocking(self, request: str, deadline_s: float, blocked_s: float, fields: Mapping[str, object]) -> Answer:
        """The response to a request that may hold a Python agent's interpreter for so long.

        The agent sends no heartbeat then: it may be silent for so much longer. Raises as `ask` does.
        """
        return self._ask(request, deadline_s, self._silence_s + blocked_s, fields)

    def close(self) -> None:
        """Kill the agent."""
        self._stream.close()

    def _ask(self, request: str, deadline_s: float, silence_s: float, fields: Mapping[str, object]) -> Answer:
        self._request_id += 1
        line = json.dumps({"id": self._request_id, "request": request, **fields}).encode()
        try:
            self._send(request, line)
            return self._answer(request, deadline_s, silence_s)
        except AgentError:
            raise
        except BaseException:  # also after an interrupt: the pending response would be taken for the next one's
            self.close()
            raise

    def _send(self, request: str, line: bytes) -> None:
        try:
            self._stream.write_line(line)
        except DeviceGone as error:
            raise DeviceGone(f"{self._device}: the agent died before {request!r}: {error}") from error

    def _answer(self, request: str, deadline_s: float, silence_s: float) -> Answer:
        deadline = time.monotonic() + deadline_s
        while True:
            left = deadline - time.monotonic()
            message = self._understood(self._line(request, min(left, silence_s), deadline_s, silence_s))
            if "heartbeat" in message:
                if left <= 0:
                    raise DeadlineExceeded(f"{self._device}: {request!r} took longer than {deadline_s:g} s")
                continue
            return self._result(message)

    def _line(self, request: str, wait_s: float, deadline_s: float, silence_s: float) -> bytes:
        try:
            return self._stream.read_line(max(wait_s, 0))
        except DeadlineExceeded:
            reason = (
                f"the agent gave no sign of life for {silence_s:g} s"
                if wait_s >= silence_s
                else f"it took longer than {deadline_s:g} s"
            )
            raise DeadlineExceeded(
                f"{self._device}: {request!r} was given up: {reason}; its process is killed"
            ) from None
        except DeviceGone as error:
            raise DeviceGone(f"{self._device}: the agent died during {request!r}: {error}") from error

    def _understood(self, line: bytes) -> dict[str, object]:
        found = "other JSON"
        try:
            message = parse_json(line)
        except (ValueError, RecursionError) as error:
            message, found = None, describe_error(error)
        if not isinstance(message, dict):
            raise DeviceGone(
                f"{self._device}: expected an agent's answer as a JSON object, but found {line[:200]!r} ({found})"
            )
        return message

    def _result(self, message: dict[str, object]) -> Answer:
        error, result = message.get("error"), message.get("result")
        if isinstance(error, dict):
            kind, detail = error.get("kind"), error.get("message")
            if isinstance(kind, str) and isinstance(detail, str):
                text = one_line(detail, MAX_MESSAGE_CHARS)
                raise AgentError(one_line(kind, MAX_KIND_CHARS), f"{text} (on {self._device})")
        if message.get("id") != self._request_id or not isinstance(result, dict):
            raise DeviceGone(
                f"{self._device}: expected an answer to request {self._request_id}, but found "
                f"{one_line(json.dumps(message), 200)}"
            )
        return result

    def __enter__(self) -> Link:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
