"""Ctrl-C during a command: one line, and nothing half done."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_S


@pytest.mark.slow
def test_a_device_that_is_being_added_leaves_nothing(tmp_path: Path, latkit) -> None:
    root, agent = tmp_path / "workspace", tmp_path / "agent"
    assert latkit("init", root)[0] == 0
    add = ["-C", root, "device", "add", "box", "--local", "--agent-folder", agent]
    for _ in range(3):  # a busy machine may notice the folder when the device is there already
        process = subprocess.Popen(
            [sys.executable, "-m", "latkit", *map(str, add)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            while not agent.exists() and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)  # the probe takes seconds from here
            _, err = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
        if process.returncode:
            break
        assert latkit("-C", root, "device", "remove", "box")[0] == 0
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert not list((root / "devices").iterdir())
    assert not agent.exists()
