"""The agent: what runs on a device. It is pushed there as one file; nothing here is imported by it."""

from pathlib import Path

AGENT_FILE = Path(__file__).with_name("latkit_agent.py")
"""The agent for devices that have Python."""

PROTOCOL = 1
"""Version of the protocol that the host speaks; see docs/agent-protocol.md."""

__all__ = ["AGENT_FILE", "PROTOCOL"]
