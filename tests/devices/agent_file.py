"""The agent as a file, as devices get it."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from latkit.devices.agent import agent_archive

_FOLDERS: list[TemporaryDirectory[str]] = []


@cache
def agent_file() -> Path:
    """The file. Every process writes one of its own: the first worker that ends would remove that of the others."""
    _FOLDERS.append(TemporaryDirectory(prefix="latkit-agent-"))
    path = Path(_FOLDERS[0].name, "agent.pyz")
    path.write_bytes(agent_archive())
    return path
