"""Every benchmark starts as a script, wherever Python then looks for modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forking import Forks

ROOT = Path(__file__).parents[1]
MODULES = {
    "external_files.py",
    "night.py",
    "once_for_all_costs.py",
    "once_for_all_targets.py",
    "strategy_cluster.py",
    "strategy_runs.py",
}
"""Parts of `external_models.py`, `endurance.py`, `once_for_all.py` and `strategies.py`."""
SCRIPTS = sorted(path.name for path in (ROOT / "benchmarks").glob("*.py") if path.name not in MODULES)
"""What a user starts."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_benchmark_prints_its_help(name: str, forked: Forks) -> None:
    done = forked.run(ROOT / "benchmarks" / name, "--help", env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert "usage: " in done.stdout


def test_the_standard_module_that_torch_imports_is_not_hidden() -> None:
    code = "import cProfile, profile, sys; print(profile.Profile.__name__, profile.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "benchmarks")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.startswith("Profile ")
    assert str(ROOT / "benchmarks") not in done.stdout
