"""What a type checker makes of a user's script: its mistakes, each found, and none in the script without them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import latkit

ROOT = Path(__file__).parents[2]
STUB = ROOT / "latkit" / "__init__.pyi"

RIGHT = """
from pathlib import Path

import latkit
from latkit import Target


def latency(name: str) -> float:
    target = Target.parse(name)
    print(target.device)
    space = latkit.spaces.load("proxyless-tiny")
    fits = latkit.Workspace(".").fit(latkit.FitRequest(target=target, space=space))
    seconds: float = fits.models["lookup"].predict(latkit.Network.load("net.json")).seconds
    return seconds


def median_ms(path: str) -> float:
    request = latkit.ProfileRequest(target=Target("here", "onnxruntime"), models=(latkit.ModelRequest(Path(path)),))
    (profile,) = latkit.Workspace(".").profile(request).profiles
    return profile.latency_ms.p50
"""
MISTAKES = {
    "from latkit import Target": "from latkit import Target, Targets",
    "target.device": "target.devise",
    "latkit.spaces.load(": "latkit.spaces.lod(",
    "FitRequest(target=target,": "FitRequest(target=name,",
    ").fit(": ").fitt(",
    "Path(path)": "path",
    "latency_ms.p50": "latency_ms.median",
}
"""Parts of the script, each with what a user may write by mistake."""


def line_of(part: str) -> int:
    return next(number for number, line in enumerate(RIGHT.splitlines(), 1) if part in line)


def errors(*scripts: Path) -> dict[str, set[int]]:
    """The lines in which mypy finds errors, by the name of the script."""
    argv = [sys.executable, "-m", "mypy", *scripts]  # with the cache of `make types`, which runs this test
    ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, 1), ended.stdout + ended.stderr
    found: dict[str, set[int]] = {script.name: set() for script in scripts}
    for line in ended.stdout.splitlines():
        if ": error:" in line:
            path, number, *_ = line.split(":")
            found[Path(path).name].add(int(number))
    return found


@pytest.mark.slow
def test_a_type_checker_finds_the_mistakes_of_a_script(tmp_path: Path) -> None:
    (tmp_path / "right.py").write_text(RIGHT)
    wrong = RIGHT
    for right, mistake in MISTAKES.items():
        assert wrong.count(right) == 1
        wrong = wrong.replace(right, mistake)
    (tmp_path / "wrong.py").write_text(wrong)
    found = errors(tmp_path / "right.py", tmp_path / "wrong.py")
    assert found["right.py"] == set()
    assert {line_of(part) for part in MISTAKES} <= found["wrong.py"]


def test_the_stub_lists_the_names_of_the_front_door_and_where_they_come_from() -> None:
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    found = {
        alias.asname: node.module for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert found == latkit._HOMES | dict.fromkeys(latkit._MODULES, "latkit")
    assert set(found) | {"__version__"} == set(latkit.__all__)


def test_the_names_are_offered_for_completion() -> None:
    assert dir(latkit) == sorted(latkit.__all__)
