"""Every benchmark starts as a script, wherever Python then looks for modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.direct_calls import compile_loop
from latkit.errors import BundleError
from tests.forking import Forks

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(
    path.name for path in (ROOT / "benchmarks").glob("*.py") if '__name__ == "__main__"' in path.read_text("utf-8")
)
SCRIPTS.remove("night.py")
"""What a user starts; `endurance.py` starts the other one."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_benchmark_prints_its_help(name: str, forked: Forks) -> None:
    done = forked.run(ROOT / "benchmarks" / name, "--help", env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert "usage: " in done.stdout


@pytest.mark.slow
def test_the_loop_beside_which_the_native_agent_is_timed_is_built(tmp_path: Path) -> None:
    try:
        program = compile_loop(tmp_path / "direct", 10)
    except BundleError as error:
        pytest.skip(str(error))
    done = subprocess.run([program, "onnxruntime", tmp_path, "model.onnx"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "No such file" in done.stderr


def test_the_standard_module_that_torch_imports_is_not_hidden() -> None:
    code = "import cProfile, profile, sys; print(profile.Profile.__name__, profile.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "benchmarks")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.startswith("Profile ")
    assert str(ROOT / "benchmarks") not in done.stdout
