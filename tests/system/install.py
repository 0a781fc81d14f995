"""Installs requirements, at the versions of constraints.txt, into the environment of the Python that runs this.

uv does it in a third of the time of pip, and on later calls in seconds, as it links the files from its cache. It takes
its sources from pip's configuration. pip does it where uv cannot be had, fails, or lacks an option of pip that is set.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator

PINNED = ("-c", "constraints.txt")
SAME_IN_UV = ("index-url", "extra-index-url", "find-links", "constraint")
"""Options of pip that uv has under the same name. Each may name several places, separated by spaces."""
FLAGS_IN_UV = {"no-index": "--no-index", "no-cache-dir": "--no-cache"}
NOT_NEEDED = ("disable-pip-version-check", "default-timeout", "timeout", "retries", "no-input", "root-user-action")
NOT_NEEDED += ("quiet", "progress-bar", "no-compile", "no-warn-conflicts", "break-system-packages", "cert")
"""Options of pip that do not decide what is installed. `cert` reaches uv as a variable."""
OFF = ("", "0", "false", "no", "off")


def configured(pip: list[str]) -> dict[str, str]:
    """What pip's files and variables set for every command and for `install`; the last of a name has precedence."""
    listed = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=True).stdout
    pairs = (line.partition("=") for line in listed.splitlines())
    found = {key: ast.literal_eval(value) for key, _, value in pairs}
    sections = ("global.", "install.", ":env:.")
    return {key.removeprefix(one): value for one in sections for key, value in found.items() if key.startswith(one)}


def for_uv(options: dict[str, str]) -> Iterator[str]:
    """The options of pip as those of uv. Raises LookupError for one that uv lacks."""
    for name, value in options.items():
        if name in SAME_IN_UV:
            yield from (f"--{name}={one}" for one in value.split())
        elif name in FLAGS_IN_UV:
            yield from [FLAGS_IN_UV[name]] if value.lower() not in OFF else []
        elif name not in NOT_NEEDED:
            raise LookupError(f"uv lacks pip's {name}")


def uv_install(options: dict[str, str], python: str) -> tuple[list[str], dict[str, str]]:
    """The command that installs with pip's options into the environment of a Python, and its environment variables.

    Raises LookupError for an option that uv lacks.
    """
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, "--system-certs"]
    command += ["--index-strategy", "unsafe-best-match", *for_uv(options)]  # the best of all indexes, as pip does
    return command, {**os.environ, **({"SSL_CERT_FILE": options["cert"]} if "cert" in options else {})}


def install_with_uv(pip: list[str], requirements: list[str]) -> None:
    """Install, and the current pip, which the tests use. Raises LookupError or CalledProcessError if uv cannot."""
    command, environment = uv_install(configured(pip), sys.executable)
    subprocess.run([*pip, "install", "--quiet", *PINNED, "uv"], check=True)
    command += [*PINNED, "--upgrade-package", "pip", "pip", *requirements]
    subprocess.run(command, check=True, env=environment)


def main(*requirements: str) -> int:
    """Install; the exit status."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    try:
        install_with_uv(pip, list(requirements))
    except (LookupError, OSError, subprocess.CalledProcessError) as error:
        print(f"installing with pip: {error}", file=sys.stderr)
        return subprocess.run([*pip, "install", "--quiet", *PINNED, *requirements]).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
