"""Does latkit install and work without constraints, on every Python here, with the newest and the oldest dependencies?

    python benchmarks/installs.py --folder build/installs --json      # --quick: this Python and the newest only
    python benchmarks/installs.py --extras                            # every extra by itself, on this Python

Builds the source archive and the wheel from it. For each interpreter found (3.11, 3.12, 3.13), and for the newest and
the oldest allowed versions of the dependencies, installs latkit into a clean virtual environment and uses it: without
extras it profiles an ONNX file; `install_uses.py` has the use of each extra. The oldest versions are installed from the
wheel, the newest from the source archive. A version that the index does not have is reported as such. What was done is
not repeated.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

try:
    from benchmarks.install_uses import USES, Step
except ImportError:  # run as a script
    from install_uses import USES, Step  # type: ignore[no-redef]

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
MAC = "sys_platform == 'darwin'"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
Result = dict[str, object]
Install = Callable[..., subprocess.CompletedProcess[str]]
"""Installs requirements into the environment of a folder, working in that folder."""


def run(*argv: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder where no source of latkit is importable."""
    own = {"PYTHONPATH": "", "LATKIT_CACHE": str(folder / "cache"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    arguments = list(map(str, argv))
    return subprocess.run(arguments, cwd=folder, env={**os.environ, **own}, capture_output=True, text=True, check=False)


def interpreters() -> Iterator[tuple[str, Path]]:
    """The Pythons of this machine, by version: on the path, or beside pyenv's."""
    for version in PYTHONS:
        candidates = [shutil.which(f"python{version}"), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
        if sys.version.startswith(f"{version}."):
            candidates.insert(0, sys.executable)
        for candidate in filter(None, candidates):
            found = run(candidate, "-c", "import sys, venv, ensurepip; print(sys.version)", folder=ROOT)
            if found.returncode == 0 and found.stdout.startswith(f"{version}."):
                yield version, Path(candidate)
                break


def declared(extras: tuple[str, ...]) -> list[str]:
    """The requirements of latkit with these extras, those of the extras that they include too."""
    found, pending = list(PROJECT["dependencies"]), [one for extra in extras for one in EXTRAS[extra]]
    while pending:
        one = pending.pop(0)
        inner = re.fullmatch(r"latkit\[(.+)\]", one)
        if inner:
            pending += [other for extra in inner[1].split(",") for other in EXTRAS[extra]]
        elif MAC not in one:
            found.append(one)
    return found


def oldest(requirements: list[str]) -> list[str]:
    """The lowest allowed version of each: `numpy==2.*` of `numpy>=2`."""
    names = [one.partition(";")[0].strip() for one in requirements]
    return [re.sub(r">=(.+)", r"==\1.*" if one.count(".") < 2 else r"==\1", one) for one in names]


@dataclass(frozen=True, slots=True)
class Archives:
    """The source archive, and the wheel that was built from it."""

    source: Path
    wheel: Path


class NotBuilt(Exception):
    """What pip or the build said."""


def build(folder: Path) -> Archives:
    """Build both, or take those that are there. Raises NotBuilt."""
    builder = folder / "builder"
    if not list(folder.glob("latkit-*")):
        _succeed(sys.executable, "-m", "venv", "--without-pip", builder, folder=folder)
        _succeed(*pip(builder), "install", "-q", "--no-compile", "hatchling>=1.27", folder=folder)
        python = builder / "bin" / "python"
        _succeed(python, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, folder=ROOT)
    (source,) = folder.glob("latkit-*.tar.gz")
    if not list(folder.glob("latkit-*.whl")):
        arguments = ("wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, source)
        _succeed(*pip(builder), *arguments, folder=folder)
    (wheel,) = folder.glob("latkit-*.whl")
    return Archives(source, wheel)


def pip(venv: Path) -> tuple[object, ...]:
    """This Python's pip, working in another environment: one of its own would take seconds to install."""
    return (sys.executable, "-m", "pip", "--python", venv / "bin" / "python")


def with_pip(venv: Path, *requirements: str) -> subprocess.CompletedProcess[str]:
    """Install as a user does."""
    return run(*pip(venv), "install", "-q", "--no-compile", *requirements, folder=venv.parent)


def _succeed(*argv: object, folder: Path) -> None:
    ended = run(*argv, folder=folder)
    if ended.returncode:
        raise NotBuilt(ended.stdout + ended.stderr)


def tried(
    python: Path, archives: Archives, which: str, folder: Path, extra: str = "", install: Install = with_pip
) -> Result:
    """Install `newest` or `oldest`, and use it; what came of it. The environment stays in `folder/venv`."""
    begun, venv, use = time.monotonic(), folder / "venv", USES[extra]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run(python, "-m", "venv", "--without-pip", venv, folder=folder)
    extras = tuple(filter(None, (extra, *use.with_extras)))
    archive, pinned = (archives.wheel, oldest(declared(extras))) if which == "oldest" else (archives.source, [])
    requirement = f"{archive}[{','.join(extras)}]" if extras else str(archive)
    ended = install(venv, requirement, *pinned)
    if ended.returncode:
        lines = [line for line in ended.stderr.splitlines() if line.startswith("ERROR")]
        return {"installed": False, "reason": (lines or [ended.stderr[-300:]])[-1]}
    size_mb = sum(path.stat().st_size for path in venv.rglob("*") if path.is_file()) / 1e6
    for step in use.steps:
        ended = run(*command(venv, step), folder=folder)
        if ended.returncode:
            return {"installed": True, "works": False, "step": str(step[:2]), "reason": ended.stderr[-600:]}
    return {"installed": True, "works": True, "mb": round(size_mb), "seconds": round(time.monotonic() - begun)}


def command(venv: Path, step: Step) -> tuple[object, ...]:
    """The command line of a step in an environment."""
    first, *rest = step
    return (venv / "bin" / "python", "-c", *rest) if first == "python" else (venv / "bin" / "latkit", *step)


def planned(arguments: argparse.Namespace) -> Iterator[tuple[str, str, str]]:
    """Python, versions and extra of every installation."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    pythons = (here,) if arguments.quick or arguments.extras else PYTHONS
    versions = ("newest",) if arguments.quick else tuple(arguments.versions)
    extras = tuple(filter(None, USES)) if arguments.extras else ("",)
    for extra, python, which in itertools.product(extras, pythons, versions):
        yield python, which, extra


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "installs")
    parser.add_argument("--quick", action="store_true", help="this Python and the newest versions only")
    parser.add_argument("--extras", action="store_true", help="every extra by itself, on this Python")
    parser.add_argument("--versions", nargs="+", choices=("newest", "oldest"), default=("newest", "oldest"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    results_file = folder / "results.json"
    results = json.loads(results_file.read_text()) if results_file.exists() else {}
    archives, pythons = build(folder), dict(interpreters())
    for version, which, extra in planned(arguments):
        name = " ".join(filter(None, (version, which, extra)))
        if name not in results:
            found = pythons.get(version)
            missing: Result = {"installed": False, "reason": "no such Python here"}
            results[name] = tried(found, archives, which, folder / "one", extra) if found else missing
            shutil.rmtree(folder / "one", ignore_errors=True)
            results_file.write_text(json.dumps(results, indent=1))
        if not arguments.json:
            print(name, results[name], flush=True)
    if arguments.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
