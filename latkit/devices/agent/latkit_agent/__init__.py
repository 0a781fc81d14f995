"""latkit's agent: times networks on a device, controlled by JSON lines over stdin and stdout.

For Python 3.8 and later, of the standard library alone. It needs numpy and a runtime to time anything, but neither to
report what the device is. A device gets it as one file, which `latkit.devices.agent.archive` makes of this folder.
The protocol is defined in docs/agent-protocol.md.
"""
