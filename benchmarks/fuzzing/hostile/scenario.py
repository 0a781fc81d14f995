"""A scenario: one hostile behavior, and what a device can be made to answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from benchmarks.fuzzing import trees

ESCAPES = "\x1b[31m\x1b]0;owned\x07\x9b2J\x7f"
PAYLOADS = {
    "escapes": ESCAPES,
    "markup": "Board [/rev2] [bold][link=x]",
    "bidi": "\u202egpj.exe\u2066\u200b\ufeff",
    "lines": "a\nerror: all is well\r\x0b",
    "surrogate": "\ud800",
    "long": "x" * 300_000,
}
ALL_IN_ONE = ESCAPES + "[/red]\u202e\u200b\r\ud800"
HUGE = ("NaN", "-1", "9223372036854775808", "1e400", "9" * 400, "9" * 5000, "1.5", "true", "null", '"7"', "[]", "{}")
DEEP = str(trees.deep(5000))


@dataclass(frozen=True, slots=True)
class Scenario:
    """One hostile behavior, run against one command and the commands that show its traces."""

    name: str
    transport: str
    """`local`, `ssh`, `adb`, `phone`, `lease`, or another listener: `ssh-talk`, `adb-talk`, `phone-talk`."""
    command: str = "add"
    """`add`, `doctor`, `collect`; `list` if the command only reads leases."""
    answers: tuple[tuple[str, tuple[str | int, ...], str], ...] = ()
    deeds: tuple[tuple[str, str, str], ...] = ()
    texts: dict[str, bytes] = field(default_factory=dict)
    """Of a shell's answers, an adb server's, or a lease's file (`lease`)."""
    pid: str = "4242"
    fails: bool | None = None
    """Whether the command must fail (True) or succeed (False); None if either is right."""

    @property
    def script(self) -> dict[str, Any]:
        """How the agent misbehaves."""
        script: dict[str, Any] = {"answers": self.answers, "deeds": self.deeds}
        if "python" in self.texts and self.transport == "local":
            script["python"] = self.texts["python"].decode("latin-1")
        return script


def quoted(text: str) -> str:
    return json.dumps(text)
