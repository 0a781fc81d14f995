"""A shell of a device that runs no command: each command gets an answer by its form.

A command that kills or removes something is only recorded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from latkit.devices.agent import agent_archive

PID = 4242
STARTED = 777
STAT = "{pid} (sh) S 1 {pid} {pid} 0 -1 4194304 100 0 0 0 0 0 0 0 20 0 1 0 {started} 1000000 100"
MARK = re.compile(r'echo (\w+)""(\w+) \$\$')
KILLED = re.compile(r"(?:set -- |kill -9 -?|\bsh )'?(-?\d+)\b")
PYTHON = "/usr/bin/python3"
HOME = "/home/me"
PROPERTIES = {"ro.product.manufacturer": "Maker", "ro.product.model": "Phone", "ro.build.version.release": "14"}
STATE = "[battery]\n  level: 80\n  temperature: 250\n  AC powered: true\n[thermal]\n[power]\nmWakefulness=Awake\n"


@dataclass
class Shell:
    """Answers commands, and records what they request."""

    texts: Mapping[str, bytes] = field(default_factory=dict)
    """Answers in place of the usual ones, by name; `noise` comes before every mark."""
    pid: str = str(PID)
    """The process id that is reported for every command."""
    kills: list[str] = field(default_factory=list)
    removals: list[str] = field(default_factory=list)

    def is_agent(self, command: str) -> bool:
        """Whether a command starts the agent."""
        return "--models" in command

    def mark(self, command: str) -> tuple[bytes, bytes]:
        """What comes on stdout and stderr before a command's own output."""
        noise, match = self.texts.get("noise", b""), MARK.search(command)
        if match is None:
            return noise + (f"{self.pid}\n".encode() if "echo $$" in command else b""), b""
        word = match[1] + match[2]
        stat = STAT.format(pid=self.pid, started=STARTED)
        return noise + f"{word} {self.pid} {stat}\n".encode(), f"{word}\n".encode() if ">&2" in command else b""

    def answer(self, command: str) -> bytes:
        """A command's output. Every command ends with 0."""
        if "kill -9" in command:
            self.kills.append(command)
            return b""
        if re.search(r"\brm -r?f|-delete\b|\brmdir\b", command):
            self.removals.append(command)
        name = next((name for name, patterns in ANSWERS if any(word in command for word in patterns)), "other")
        return self.texts.get(name, self._usual(name, command))

    def _usual(self, name: str, command: str) -> bytes:
        if name == "sha256":
            found = re.search(r"(\S*agent-\w+\.pyz)", command)
            return f"{hashlib.sha256(agent_archive()).hexdigest()}  {found[1] if found else '-'}\n".encode()
        if name == "properties":
            return "".join(f"[{key}]: [{value}]\n" for key, value in PROPERTIES.items()).encode()
        if name == "home":
            return HOME.encode() if "printf" in command else f"{HOME}\n".encode()
        usual = {"python": PYTHON, "boot": "a-boot", "processor": "x86_64", "state": STATE}
        return f"{usual[name]}\n".encode() if name in usual else b""

    @property
    def wrong_kills(self) -> list[str]:
        """Requests to kill a process that is not latkit's command: number 1, all processes, or an unreported id."""
        wrong = []
        for command in self.kills:
            numbers = {int(number) for number in KILLED.findall(command)} - {-9, STARTED}
            if not numbers or any(abs(number) <= 1 or str(abs(number)) != self.pid for number in numbers):
                wrong.append(command)
        return wrong


ANSWERS = (
    ("python", ("sys.version_info",)),
    ("sha256", ("sha256sum",)),
    ("home", ("HOME",)),
    ("boot", ("boot_id",)),
    ("processor", ("uname",)),
    ("properties", ("getprop",)),
    ("state", ("dumpsys",)),
    ("size", ("wc -c",)),
)
