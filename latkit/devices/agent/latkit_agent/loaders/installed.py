"""Which runtimes work here: each is imported by a process of its own."""

from __future__ import annotations

import sys
import time

from . import IMPORTS

CHECK = """
import gc, os, sys, traceback
gc.disable()
sys.path[:] = [place for place in sys.path if place]
status = 1
try:
    exec(sys.argv[1], {})
    status = 0
except BaseException:
    traceback.print_exc()
sys.stdout.flush()
sys.stderr.flush()
os._exit(status)
"""
"""Runs a command that imports. A file `torch.py` in the agent's folder is not taken for torch. Nothing is cleared up at
the end: that takes torch half as long as its import."""


def runtimes(seconds: float) -> tuple[dict[str, str], dict[str, str]]:
    """Versions of the runtimes that work here, and the reasons for the others."""
    if seconds <= 0:
        return {}, {}
    import subprocess  # most agents start no process

    started = [
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", CHECK, code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for code in IMPORTS.values()
    ]
    present: dict[str, str] = {}
    absent: dict[str, str] = {}
    deadline = time.monotonic() + seconds
    for names, process in zip(IMPORTS, started):  # noqa: B905 - Python 3.8 runs this
        try:
            out, err = process.communicate(timeout=max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            err += b"\nimporting it took too long"
        versions = out.decode(errors="replace").splitlines()
        lines = err.decode(errors="replace").strip().splitlines()
        present.update(zip(names, versions))  # noqa: B905
        for name in names[len(versions) :]:
            absent[name] = lines[-1] if lines else f"importing it ended with status {process.returncode}"
    return present, absent
