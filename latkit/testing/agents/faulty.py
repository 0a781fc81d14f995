"""A device that fails on demand: its interpreter runs the real agent, and files in a folder make it fail.

`segfault`: names (SHA-256) of models whose rounds end the process by a signal, or `all`. `garbage`: the next answer is
no answer; the file is removed. `memory`: the maximum number of bytes that the process may have.
"""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPT = """#!{python}
import os, resource, signal, sys

folder = {folder!r}

def said(name):
    try:
        with open(os.path.join(folder, name)) as file:
            return file.read().split()
    except FileNotFoundError:
        return []

if len(sys.argv) < 5 or "agent-" not in sys.argv[4]:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
for words in said("memory"):
    resource.setrlimit(resource.RLIMIT_AS, (int(words), int(words)))
sys.path.insert(0, sys.argv[4])
from latkit_agent.agent import Agent
from latkit_agent.conversation import LineWriter
from latkit_agent.main import main
load, time, say = Agent.load, Agent.time, LineWriter.write_line
names = {{}}

def noting_load(self, request):
    answer = load(self, request)
    names[answer["handle"]] = request["sha256"]
    return answer

def fatal_time(self, request):
    if {{"all", names.get(request["handle"])}} & set(said("segfault")):
        os.kill(os.getpid(), signal.SIGSEGV)
    return time(self, request)

def garbled_say(self, line):
    if "result" in line and os.path.exists(os.path.join(folder, "garbage")):
        os.remove(os.path.join(folder, "garbage"))
        self.out.write(b"\\x00\\xffgarbage\\n")
        self.out.flush()
    say(self, line)

Agent.load, Agent.time, LineWriter.write_line = noting_load, fatal_time, garbled_say
sys.argv = sys.argv[4:]
main()
"""


def faulty_python(folder: Path) -> str:
    """An interpreter that reads its faults from that folder."""
    folder.mkdir(exist_ok=True)
    path = folder / "python"
    path.write_text(SCRIPT.format(python=sys.executable, folder=str(folder)))
    path.chmod(0o755)
    return str(path)
