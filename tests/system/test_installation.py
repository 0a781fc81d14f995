"""A source archive, the wheel built from it, and the smallest installation: a profile without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "xgboost", "plotly", "polars", "lightning_fabric")


def run(*argv: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder where no source of latkit is importable."""
    own = {"PYTHONPATH": "", "LATKIT_CACHE": str(folder / "cache"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    arguments = list(map(str, argv))
    return subprocess.run(arguments, cwd=folder, env={**os.environ, **own}, capture_output=True, text=True, check=False)


def succeed(*argv: object, folder: Path) -> str:
    ended = run(*argv, folder=folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a virtual environment `venv` in it, where latkit is installed without extras."""
    folder = tmp_path_factory.mktemp("installation")
    python = folder / "venv" / "bin" / "python"
    succeed(sys.executable, "-m", "venv", "venv", folder=folder)
    ended = run(python, "-m", "pip", "install", "-q", "--no-compile", "hatchling>=1.27", folder=folder)
    if ended.returncode and "No matching distribution" in ended.stderr:
        pytest.skip("no package index can be reached")
    succeed(python, "-m", "hatchling", "build", "-t", "sdist", "-d", folder / "dist", folder=ROOT)
    (archive,) = (folder / "dist").glob("*.tar.gz")
    constraints = ROOT / "constraints.txt"
    succeed(python, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", archive, folder=folder)
    (wheel,) = folder.glob("*.whl")
    succeed(python, "-m", "pip", "install", "-q", "--no-compile", "-c", constraints, wheel, folder=folder)
    return folder


def save_model(path: Path) -> None:
    """A convolution as an ONNX file."""
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 4, 16, 16])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, None)
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [4, 4, 3, 3], [0.1] * 144)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["images", "weights"], ["output"])], "convolution", [images], [output], [weights]
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.mark.slow
@pytest.mark.device
@pytest.mark.timeout(900)
def test_the_smallest_installation_profiles_a_file(installed: Path) -> None:
    python, latkit = installed / "venv" / "bin" / "python", installed / "venv" / "bin" / "latkit"
    found = succeed(
        python,
        "-c",
        f"from importlib.util import find_spec as f; print([n for n in {HEAVY} if f(n)])",
        folder=installed,
    )
    assert found.strip() == "[]"
    assert "profile" in succeed(latkit, "--help", folder=installed)
    save_model(installed / "model.onnx")
    succeed(latkit, "init", folder=installed)
    succeed(latkit, "device", "add", "here", "--local", folder=installed)
    argv = (latkit, "profile", "here/onnxruntime", "model.onnx", "--rounds", 2, "--round-seconds", 0.01, "--json")
    document = json.loads(succeed(*argv, folder=installed))
    assert "Conv" in json.dumps(document)
    needs_torch = run(latkit, "collect", "space", "here/onnxruntime", "--space", "proxyless-tiny", folder=installed)
    assert needs_torch.returncode == 1
    assert "error: torch is not installed; install it with: pip install 'latkit[collect]'" in needs_torch.stderr
    assert "Traceback" not in needs_torch.stderr
