"""The agent, which runs on a device. It is pushed there, and the host imports nothing from it."""

from pathlib import Path

from latkit.devices.agent.archive import agent_archive

NATIVE_SOURCES = Path(__file__).with_name("native")
"""Folder of the agent in C, for devices without Python."""

MARKER_FILE = Path(__file__).with_name("folder-marker.txt")
"""Content of the marker file in a folder that latkit made on a device, and may therefore empty."""

PROTOCOL = 1
"""Version of the protocol that the host speaks; see docs/agent-protocol.md."""

__all__ = ["MARKER_FILE", "NATIVE_SOURCES", "PROTOCOL", "agent_archive"]
