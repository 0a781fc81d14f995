"""A source archive, the wheel built from it, and the smallest installation of each: a profile without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.installs import PROJECT, Archives, NotBuilt, build, command, oldest, run, tried, with_pip
from tests.conftest import made_once
from tests.system.install import configured, uv_install

VERSIONS = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
HEAVY = ("torch", "xgboost", "plotly", "polars", "lightning-fabric")


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Archives:
    """The archives, built once for all workers."""
    try:
        return build(made_once(tmp_path_factory, "archives", build))  # type: ignore[arg-type]
    except NotBuilt as error:
        if "No matching distribution" in str(error):
            pytest.skip("no package index can be reached")
        raise


def versions(folder: Path) -> dict[str, str]:
    """What is installed in the environment of a folder."""
    found = json.loads(run(*command(folder / "venv", ("python", VERSIONS)), folder=folder).stdout)
    return {name.lower().replace("_", "-"): version for name, version in found.items()}


def nothing_heavy(folder: Path) -> None:
    assert not set(HEAVY) & set(versions(folder))
    argv = ("collect", "space", "here/onnxruntime", "--space", "proxyless-tiny")
    needs_torch = run(*command(folder / "venv", argv), folder=folder)
    assert needs_torch.returncode == 1
    assert "error: torch is not installed; install it with: pip install 'latkit[collect]'" in needs_torch.stderr
    assert "Traceback" not in needs_torch.stderr


def the_oldest(folder: Path) -> None:
    installed = versions(folder)
    pins = dict(one.removesuffix(".*").split("==") for one in oldest(PROJECT["dependencies"]))
    assert [name for name, pin in pins.items() if not f"{installed[name]}.".startswith(f"{pin}.")] == []


def with_uv(venv: Path, *requirements: str) -> subprocess.CompletedProcess[str]:
    """Install as `make` does: with uv in a tenth of the time, or with pip where uv cannot."""
    try:
        argv, variables = uv_install(configured([sys.executable, "-m", "pip"]), str(venv / "bin" / "python"))
    except LookupError:
        return with_pip(venv, *requirements)
    done = subprocess.run(
        [*argv, *requirements], cwd=venv.parent, env=variables, capture_output=True, text=True, check=False
    )
    return with_pip(venv, *requirements) if done.returncode else done


CHECKS = {"newest": nothing_heavy, "oldest": the_oldest}
"""What holds in each of the two environments afterwards."""


@pytest.mark.slow
@pytest.mark.device
@pytest.mark.timeout(900)
@pytest.mark.parametrize("which", CHECKS)
def test_the_smallest_installation_profiles_a_file(which: str, archives: Archives, tmp_path: Path) -> None:
    """Without constraints: with the newest versions from the source archive, with the oldest from the wheel."""
    found = tried(Path(sys.executable), archives, which, tmp_path / "one", install=with_uv)
    assert found.get("works"), found
    CHECKS[which](tmp_path / "one")
