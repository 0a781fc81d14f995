"""A real adb server on a port of its own: that of the user is not touched."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adbutils import adb_path

from latkit.testing.host import environment_variable, free_port, wait_for_port


@contextmanager
def adb_server(folder: Path) -> Iterator[None]:
    """Run the server with keys in that folder; adb and adbutils find it by the environment meanwhile."""
    port = free_port()
    with environment_variable("ANDROID_ADB_SERVER_PORT", str(port)), (folder / "server.log").open("wb") as log:
        # no announcements on the network are received
        environment = {**os.environ, "HOME": str(folder), "ANDROID_USER_HOME": str(folder), "ADB_MDNS": "0"}
        command = [adb_path(), "-P", str(port), "nodaemon", "server"]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for_port(port, process, folder / "server.log")
            yield
        finally:
            process.kill()
            process.wait(10)


def adb(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the real client."""
    return subprocess.run([adb_path(), *arguments], input=stdin, capture_output=True, timeout=60, check=False)
