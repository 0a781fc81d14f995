"""The agent as a file, as devices get it."""

from pathlib import Path
from tempfile import TemporaryDirectory

from latkit.devices.agent import agent_archive

_FOLDER = TemporaryDirectory(prefix="latkit-agent-")
AGENT_FILE = Path(_FOLDER.name, "agent.pyz")
AGENT_FILE.write_bytes(agent_archive())
