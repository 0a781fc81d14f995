"""The agent for devices that have Python: its modules as one file, which Python runs as it runs a script."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

SOURCES = Path(__file__).with_name("latkit_agent")
"""The package of the agent: its modules import each other, the standard library and, where they use them, runtimes."""
MAIN = "from latkit_agent.main import main\n\nmain()\n"
"""What runs first: `__main__.py` of the archive."""
TIME = (1980, 1, 1, 0, 0, 0)
"""The time of every file in it: the earliest that an archive can hold."""


@cache
def agent_archive() -> bytes:
    """A zip archive that any Python from 3.8 on runs: the same bytes from the same sources, on every host."""
    files = {"__main__.py": MAIN.encode()}
    files |= {f"{SOURCES.name}/{path.name}": path.read_bytes() for path in SOURCES.glob("*.py")}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # stored: a device may lack zlib
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, TIME), content)
    return out.getvalue()
