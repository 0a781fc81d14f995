"""Does latkit install and work without constraints, on every Python here, with the newest and the oldest dependencies?

    python benchmarks/installs.py --folder build/installs --json      # --quick: this Python and the newest only
    python benchmarks/installs.py --extras                            # the oldest versions of the extras, resolved only

Builds the source archive and the wheel from it. For each interpreter found (3.11, 3.12, 3.13), and for the newest and
the oldest allowed versions of the core's dependencies, installs the wheel into a clean virtual environment and profiles
an ONNX file. A version that the index does not have is reported as such. What was done is not repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
MAC = "sys_platform == 'darwin'"
MODEL = """
import onnx
from onnx import TensorProto, helper
image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 4, 16, 16])
output = helper.make_tensor_value_info("output", TensorProto.FLOAT, None)
weights = helper.make_tensor("weights", TensorProto.FLOAT, [4, 4, 3, 3], [0.1] * 144)
nodes = [helper.make_node("Conv", ["image", "weights"], ["output"])]
graph = helper.make_graph(nodes, "convolution", [image], [output], [weights])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "model.onnx")
"""


def run(*argv: object, folder: Path) -> subprocess.CompletedProcess[str]:
    own = {**os.environ, "PYTHONPATH": "", "LATKIT_CACHE": str(folder / "cache")}
    return subprocess.run(list(map(str, argv)), cwd=folder, env=own, capture_output=True, text=True, check=False)


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


def oldest(declared: list[str]) -> list[str]:
    """The lowest allowed version of each dependency: `numpy==2.*` of `numpy>=2`. latkit's own extras are left out."""
    names = [one.partition(";")[0].strip() for one in declared if not one.startswith("latkit[") and MAC not in one]
    return [re.sub(r">=(.+)", r"==\1.*" if one.count(".") < 2 else r"==\1", one) for one in names]


def resolved(wheel: Path, folder: Path) -> dict[str, str]:
    """Whether the oldest versions of each extra go together, by what pip says of them; nothing is installed."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    found = {}
    for name, declared in extras.items():
        argv = (
            folder / "builder" / "bin" / "python",
            "-m",
            "pip",
            "install",
            "-q",
            "--dry-run",
            wheel,
            *oldest(declared),
        )
        ended = run(*argv, folder=folder)
        lines = [line for line in ended.stderr.splitlines() if line.startswith("ERROR")]
        found[name] = (lines or [ended.stderr[-300:]])[0] if ended.returncode else "resolved"
        print(name, found[name], flush=True)
    return found


def build(folder: Path) -> Path:
    """The wheel, built from the source archive."""
    found = list(folder.glob("latkit-*.whl"))
    if not found:
        builder = folder / "builder" / "bin" / "python"
        run(sys.executable, "-m", "venv", folder / "builder", folder=folder)
        run(builder, "-m", "pip", "install", "-q", "hatchling>=1.27", folder=folder)
        ended = run(builder, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, folder=ROOT)
        if ended.returncode:
            sys.exit(f"the source archive could not be built: {ended.stderr[-500:]}")
        (archive,) = folder.glob("latkit-*.tar.gz")
        ended = run(builder, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, archive, folder=folder)
        found = list(folder.glob("latkit-*.whl"))
        if not found:
            sys.exit(f"the wheel could not be built: {ended.stderr[-500:]}")
    return found[0]


def tried(python: Path, wheel: Path, which: str, folder: Path) -> dict[str, object]:
    """Install and profile; what came of it."""
    begun, venv = time.monotonic(), folder / "venv"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run(python, "-m", "venv", venv, folder=folder)
    own = venv / "bin" / "python"
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    pinned = oldest(declared) if which == "oldest" else []
    ended = run(own, "-m", "pip", "install", "-q", "--no-compile", wheel, *pinned, folder=folder)
    if ended.returncode:
        lines = [line for line in ended.stderr.splitlines() if line.startswith("ERROR")]
        return {"installed": False, "reason": (lines or [ended.stderr[-300:]])[-1]}
    size_mb = sum(path.stat().st_size for path in venv.rglob("*") if path.is_file()) / 1e6
    latkit = venv / "bin" / "latkit"
    steps = (
        (own, "-c", MODEL),
        (latkit, "init"),
        (latkit, "device", "add", "here", "--local"),
        (latkit, "profile", "here/onnxruntime", "model.onnx", "--rounds", 2, "--round-seconds", 0.01, "--wait", 600),
    )
    for argv in steps:
        ended = run(*argv, folder=folder)
        if ended.returncode:
            return {"installed": True, "works": False, "reason": ended.stderr[-300:]}
    shutil.rmtree(venv)
    return {"installed": True, "works": True, "mb": round(size_mb), "seconds": round(time.monotonic() - begun)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "installs")
    parser.add_argument("--quick", action="store_true", help="this Python and the newest versions only")
    parser.add_argument("--extras", action="store_true", help="resolve the oldest versions of each extra, and end")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if arguments.extras:
        resolved(build(folder), folder)
        return
    results_file = folder / "results.json"
    results = json.loads(results_file.read_text()) if results_file.exists() else {}
    wheel, pythons = build(folder), dict(interpreters())
    for version in PYTHONS:
        for which in ("newest", "oldest"):
            name = f"{version} {which}"
            if arguments.quick and (which == "oldest" or not sys.version.startswith(f"{version}.")):
                continue
            if name not in results:
                found = pythons.get(version)
                results[name] = (
                    tried(found, wheel, which, folder / "one")
                    if found
                    else {"installed": False, "reason": "no such Python here"}
                )
                results_file.write_text(json.dumps(results, indent=1))
            if not arguments.json:
                print(name, results[name], flush=True)
    if arguments.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
