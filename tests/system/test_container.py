"""The Dockerfile and the newcomer's script name files, extras and commands that exist. Docker itself is not needed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import typer

from latkit.cli.app import app

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
INSTRUCTIONS = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NEWCOMER = ROOT / "benchmarks" / "newcomer.sh"


def arguments(name: str) -> list[str]:
    """The arguments of every instruction of that name."""
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


def test_the_image_has_a_python_that_latkit_allows() -> None:
    (image,) = arguments("FROM")
    version = re.fullmatch(r"python:(\d+\.\d+)-slim", image)
    assert version is not None
    assert PROJECT["requires-python"] == f">={version[1]}"


def test_every_copied_file_exists_and_is_not_ignored() -> None:
    admitted = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for line in arguments("COPY") for name in line.split()[:-1]}
    assert all((ROOT / name).exists() for name in copied)
    assert copied == admitted
    assert {PROJECT["readme"], *PROJECT["license-files"], "constraints.txt"} <= copied


def test_every_command_exists() -> None:
    for line in arguments("RUN"):
        for command in line.split("&&"):
            assert shutil.which(shlex.split(command)[0]), command
        for extras in re.findall(r"'\.\[(.+?)\]'", line):
            assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    (command,) = arguments("CMD")
    name, verb, *rest = re.findall(r'"(.+?)"', command)
    assert name in PROJECT["scripts"]
    typer.main.get_command(app).commands[verb].make_context(verb, rest)  # type: ignore[attr-defined]
    assert re.search(r"^torch==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)


def test_the_demo_is_not_run_as_root() -> None:
    order = [instruction for instruction, _ in INSTRUCTIONS]
    assert order.index("USER") < order.index("CMD")
    assert f"useradd --create-home {arguments('USER')[0]}" in DOCKERFILE


@pytest.mark.parametrize("script", [NEWCOMER, *sorted((ROOT / "examples").rglob("*.sh"))], ids=lambda path: path.name)
def test_a_script_is_valid_shell(script: Path) -> None:
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0


def test_the_newcomer_finds_the_installation_and_the_model_where_they_are_written() -> None:
    text = NEWCOMER.read_text(encoding="utf-8")
    (install,) = re.findall(r"sed -n '(s/.+?/p)' README\.md", text)
    found = subprocess.run(["sed", "-n", install, ROOT / "README.md"], capture_output=True, text=True, check=True)
    assert found.stdout == "pip install -c constraints.txt -e .\n"
    page = ROOT / "docs" / "tutorials" / "profile.md"
    (pipeline,) = re.findall(r"^(sed .+) > \"\$folder/make_model\.py\"$", text, re.MULTILINE)
    made = subprocess.run(["sh", "-c", pipeline], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert made in page.read_text(encoding="utf-8")
    compile(made, "make_model.py", "exec")
    assert "model.onnx" in made
