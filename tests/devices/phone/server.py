"""An adb server of the tests' own: that of the user who runs them is not touched."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from adbutils import adb_path

from tests.devices.phone.adbd import free_port

START_S = 20


@contextmanager
def adb_server(folder: Path) -> Iterator[None]:
    """Run the server with keys in that folder; adb and adbutils find it by the environment meanwhile."""
    port = free_port()
    with pytest.MonkeyPatch.context() as patch, (folder / "server.log").open("wb") as log:
        patch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        # no announcements on the network are received
        environment = {**os.environ, "HOME": str(folder), "ANDROID_USER_HOME": str(folder), "ADB_MDNS": "0"}
        command = [adb_path(), "-P", str(port), "nodaemon", "server"]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _wait(port)
            yield
        finally:
            process.kill()
            process.wait(10)


def adb(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the real client."""
    return subprocess.run([adb_path(), *arguments], input=stdin, capture_output=True, timeout=60, check=False)


def _wait(port: int) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
