"""pip: fetches wheels for other machines than this one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

DOWNLOAD_S = 1800.0


def download(requirements: Sequence[str], folder: Path, version: tuple[int, int], platforms: Sequence[str]) -> str:
    """Let pip download the wheels that its arguments `requirements` name, for that CPython and those platform tags.

    Its last words if it fails, else nothing.
    """
    major, minor = version
    options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={major}.{minor}"]
    options += [f"--abi={abi}" for abi in (f"cp{major}{minor}", "abi3", "none")]
    options += [f"--platform={tag}" for tag in platforms]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *options]
    try:
        done = subprocess.run(  # noqa: S603 - argv is a list
            [*command, f"--dest={folder}", *requirements], capture_output=True, timeout=DOWNLOAD_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"pip download took longer than {DOWNLOAD_S:g} s"
    if done.returncode == 0:
        return ""
    errors = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    return errors[-1] if errors else f"pip download ended with status {done.returncode}"
