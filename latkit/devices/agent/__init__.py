"""The agent, which runs on a device. It is pushed there, and the host imports nothing from it."""

from pathlib import Path

AGENT_FILE = Path(__file__).with_name("latkit_agent.py")
"""The agent for devices that have Python, as one file."""

NATIVE_SOURCES = Path(__file__).with_name("native")
"""Folder of the agent in C, for devices without Python."""

MARKER_FILE = Path(__file__).with_name("folder-marker.txt")
"""Content of the marker file in a folder that latkit made on a device, and may therefore empty."""

PROTOCOL = 1
"""Version of the protocol that the host speaks; see docs/agent-protocol.md."""

__all__ = ["AGENT_FILE", "MARKER_FILE", "NATIVE_SOURCES", "PROTOCOL"]
