"""Every command and every line of Python in the README is run, in the order of the README."""

import re
import shlex
from pathlib import Path

import pytest

from latkit.spaces import load
from latkit.tables import LatencyTable
from latkit.targets import Target
from latkit.workspace import Workspace
from tests.conftest import Run
from tests.forking import Forks

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAX_LINES = 120
NEEDS_A_DEVICE = ("pi4", "pixel")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def steps() -> list[tuple[list[str], list[str]]]:
    """The commands that need no other device, each with the lines of output that are shown below it."""
    found: list[tuple[list[str], list[str]]] = []
    for line in "".join(blocks("console")).splitlines():
        if line.startswith("$ "):
            found.append((shlex.split(line[2:]), []))
        else:
            found[-1][1].append(line)
    return [step for step in found if not any(name in step[0] for name in NEEDS_A_DEVICE)]


def shape(line: str) -> str:
    """A line without what differs from run to run: numbers, bars, and the rate of an op with its bound.

    On a busy machine the profiler takes so long that rates are not given.
    """
    line = " ".join(re.sub(r"[█│]+| %", " ", re.sub(r"[\d.,]*\d", "N", line)).split())
    return re.sub(r"( N)? (compute|memory|cache)( N)?$", "", line)


def model_of_the_tutorial(folder: Path, forked: Forks) -> None:
    """Write the model file that the README profiles."""
    page = (Path(__file__).parents[1] / "docs" / "tutorials" / "profile.md").read_text(encoding="utf-8")
    code = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0]
    assert forked.run("-c", code, cwd=folder, env={"PYTHONPATH": str(ROOT)}).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("few_digits")
def test_every_command_and_the_python_run(
    tmp_path: Path, latkit: Run, forked: Forks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "84")
    folder, ran = tmp_path, []
    for argv, lines in steps():
        if argv[0] == "cd":
            folder = folder / argv[1]
            model_of_the_tutorial(folder, forked)
            continue
        assert argv[0] == "latkit"
        monkeypatch.chdir(folder)
        code, out, err = latkit(*within_reach(quickened(argv), folder)[1:])
        assert code == 0, f"{shlex.join(argv)}\n{err}"
        printed = [shape(line) for line in out.splitlines()]
        for line in lines:
            begin = shape(line.removesuffix("..."))
            assert any(one.startswith(begin) for one in printed), f"{shlex.join(argv)}\n{line}\n{out}"
        ran.append(argv[1])
    assert {"init", "device", "profile", "collect", "fit", "validate", "search", "predict", "report", "table"} <= set(
        ran
    )
    (python,) = blocks("python")
    ended = forked.run("-c", python, cwd=folder, env={"PYTHONPATH": str(ROOT)})
    assert "Estimate(seconds=" in ended.stdout, ended.stderr


def quickened(argv: list[str]) -> list[str]:
    """The same command with less work in it, if it is one that takes minutes."""
    less = {
        "collect": ["--rounds", "2", "--round-seconds", "0.01", "--extra-rounds", "0", "--networks", "4"],
        "validate": ["--rounds", "2", "--round-seconds", "0.01", "--extra-rounds", "0"],
        "search": [
            "--set",
            "architecture_share=0.9",
            "--set",
            "warmup_epochs=1",
            "--set",
            "epochs=1",
            "--set",
            "training_epochs=1",
            "--set",
            "export_tflite=false",
        ],
    }
    return [*argv, *less.get(argv[1], [])]


def within_reach(argv: list[str], folder: Path) -> list[str]:
    """The same command with a latency that some networks reach on this machine and others do not."""
    if "--latency-ms" not in argv:
        return argv
    space = load("proxyless-tiny")
    table = LatencyTable(space, Workspace(folder).model(Target.parse(argv[2]), space=space))
    place = argv.index("--latency-ms") + 1
    return [*argv[:place], str(1e3 * (table.fastest() + table.slowest()) / 2), *argv[place + 1 :]]


def test_the_space_in_the_documentation_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "howto" / "own-space.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "my-space.toml").write_text(text)
    assert load(str(tmp_path / "my-space.toml")).size == 7**3


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= MAX_LINES


def test_every_file_that_the_readme_links_to_exists() -> None:
    root = Path(__file__).parents[1]
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (root / link).exists()] == []


def test_every_make_target_that_the_readme_names_exists() -> None:
    makefile = (Path(__file__).parents[1] / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"^make (\S+)", README, re.MULTILINE))
    assert named == {"demo", "test"}
    assert all(re.search(rf"^{name}:", makefile, re.MULTILINE) for name in named)
