"""The search for an interpreter: one that is too old is refused in one line that names every remedy."""

from pathlib import Path

import pytest

from latkit.devices.sessions.agent_launcher import find_python
from latkit.devices.transports.local import LocalTransport
from latkit.errors import DeviceError

OLD = """#!/bin/sh
echo 'Traceback (most recent call last):' >&2
echo '  File "<string>", line 1, in <module>' >&2
echo 'AssertionError: 3.6.9 (default)' >&2
exit 1
"""


def test_an_interpreter_that_is_too_old_is_refused_with_the_remedies(tmp_path: Path) -> None:
    python = tmp_path / "python3.6"
    python.write_text(OLD)
    python.chmod(0o755)
    with LocalTransport() as transport, pytest.raises(DeviceError) as refused:
        find_python(transport, str(python))
    message = str(refused.value)
    assert "\n" not in message
    assert "AssertionError: 3.6.9 (default)" in message
    assert "--python, or use the agent that needs none: --agent native" in message
