"""pip: downloads wheels for other machines than this one.

It never reads the user's configuration: latkit alone decides which packages a device gets. Only their source can be
changed, by LATKIT_PYPI, since every wheel is identified by its hash.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from latkit._io import one_line

DOWNLOAD_S = 1800.0
PYPI = "LATKIT_PYPI"
"""Environment variable: URL of a mirror of PyPI's simple index, or a folder of wheels, in place of PyPI."""


def isolated(verb: str, environment: Mapping[str, str] = os.environ) -> tuple[list[str], dict[str, str]]:
    """The command that runs pip independently of its configuration on this host, and its process environment."""
    variables = {name: value for name, value in environment.items() if not name.startswith(("PIP_", "PYTHON"))}
    if certificates := environment.get("PIP_CERT"):  # trusted certificates do not decide which packages a device gets
        variables.setdefault("REQUESTS_CA_BUNDLE", certificates)
    variables["PIP_CONFIG_FILE"] = os.devnull  # the one that --isolated honors: no file at all is read
    # -P: a file `pip.py` in the current folder is not pip
    command = [sys.executable, "-P", "-m", "pip", "--isolated", verb, "--quiet"]
    command += ["--disable-pip-version-check", "--no-input"]
    source = environment.get(PYPI)
    if source and os.path.isdir(source):  # noqa: PTH112 - may be a URL
        command += ["--no-index", f"--find-links={source}"]
    elif source:
        command += [f"--index-url={source}"]
    return command, variables


def selection(version: tuple[int, int], platforms: Sequence[str]) -> list[str]:
    """pip's options that select wheels for that CPython and those platform tags."""
    major, minor = version
    options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={major}.{minor}"]
    options += [f"--abi={abi}" for abi in (f"cp{major}{minor}", "abi3", "none")]
    return options + [f"--platform={tag}" for tag in platforms]


def download(pinned: Sequence[str], folder: Path, version: tuple[int, int], platforms: Sequence[str]) -> str:
    """Let pip download exactly those wheels, each given as `NAME==VERSION --hash=sha256:...`, into a new folder.

    For that CPython and those platform tags. Returns pip's last output if it fails, as for a wheel of another hash,
    else an empty string.
    """
    folder.mkdir()
    requirements = folder.with_name(f"{folder.name}.txt")
    requirements.write_text("\n".join(pinned) + "\n", encoding="utf-8")
    command, environment = isolated("download")
    command += ["--no-deps", "--require-hashes", f"--requirement={requirements}", f"--dest={folder}"]
    try:
        done = subprocess.run(  # noqa: S603 - argv is a list
            [*command, *selection(version, platforms)],
            env=environment,
            capture_output=True,
            timeout=DOWNLOAD_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"pip download took longer than {DOWNLOAD_S:g} s"
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines()]
    errors = [line for line in lines if line.startswith("ERROR:")] or [line for line in lines if line]
    return one_line(errors[0]) if errors else f"pip download ended with status {done.returncode}"
