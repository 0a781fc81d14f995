"""A device whose agent lies: the real agent answers, and one value of one answer is replaced before it is sent.

The replacement is in a file, so that one device can send one lie after the other. Every number that is saved is the
real agent's; every replaced value is refused.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

PLACEHOLDER = "put the lie here"

SCRIPT = """#!{python}
import json, os, sys

lie_file = {lie_file!r}

if len(sys.argv) < 5 or "agent-" not in sys.argv[4]:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
sys.path.insert(0, sys.argv[4])
from latkit_agent.agent import Agent
from latkit_agent.conversation import LineWriter
from latkit_agent.main import main
answer, say = Agent.answer, LineWriter.write_line
asked = []

def noting_answer(self, request):
    asked.append(request.get("request"))
    return answer(self, request)

def lying_say(self, line):
    with open(lie_file) as file:
        lie = json.load(file)
    if "heartbeat" in line or not asked or asked[-1] != lie["request"]:
        return say(self, line)
    text = lie["raw"]
    if lie["path"] is not None:
        *way, last = lie["path"]
        place = line
        for name in way:
            place = place[name]
        if text:
            place[last] = {placeholder!r}
        else:
            place.pop(last, None) if isinstance(place, dict) else place.pop(last)
        text = json.dumps(line).replace(json.dumps({placeholder!r}), text)
    self.out.write(text.encode("utf-8", "surrogatepass") + b"\\n")
    self.out.flush()

Agent.answer, LineWriter.write_line = noting_answer, lying_say
sys.argv = sys.argv[4:]
main()
"""


def lying_python(folder: Path) -> str:
    """An interpreter that runs the agent and lies as `set_lie` says; at first it does not."""
    folder.mkdir(exist_ok=True)
    path = folder / "python"
    lie_file = str(folder / "lie.json")
    path.write_text(SCRIPT.format(python=sys.executable, lie_file=lie_file, placeholder=PLACEHOLDER))
    path.chmod(0o755)
    set_lie(folder, "", ["result"], "")
    return str(path)


def set_lie(folder: Path, request: str, path: list[str | int] | None, raw: str) -> None:
    """From now on answer that request with `raw`, as JSON, at the place that the path names; without a path, with
    nothing else. An empty `raw` leaves the field out."""
    new = folder / "lie.new"
    new.write_text(json.dumps({"request": request, "path": path, "raw": raw}))
    new.replace(folder / "lie.json")
