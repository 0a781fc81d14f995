"""Help: of every command, with an example that can be parsed."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from latkit.cli.app import app
from latkit.cli.examples import EXAMPLES, commands

ROOT = Path(__file__).parents[2]
COMMANDS = {name: info for name, info, _ in commands(app) if not info.hidden}


def test_every_command_has_an_example() -> None:
    assert set(COMMANDS) == set(EXAMPLES)
    assert all(line.startswith(f"latkit {name}") for name, line in EXAMPLES.items())


@pytest.mark.parametrize("name", EXAMPLES)
def test_help_shows_an_example_and_needs_one_letter(latkit, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = latkit(*name.split(), "-h")
    assert code == 0
    assert "Example" in out
    assert out == latkit(*name.split(), "--help")[1]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_a_valid_command_line(name: str) -> None:
    command: typer.core.TyperCommand = typer.main.get_command(app)  # type: ignore[assignment]
    for part in name.split():
        command = command.commands[part]  # type: ignore[attr-defined]
    rest = shlex.split(EXAMPLES[name])[1 + len(name.split()) :]
    command.make_context(name, rest)


def test_options_are_in_groups(latkit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    _, out, _ = latkit("collect", "space", "-h")
    assert all(f"─ {title} ─" in out for title in ("What is timed", "Variations of the space", "Device", "Output"))


def test_the_shell_completes_commands() -> None:
    own = {"_LATKIT_COMPLETE": "complete_bash", "COMP_WORDS": "latkit pro", "COMP_CWORD": "1", "PYTHONPATH": str(ROOT)}
    argv = [str(Path(sys.executable).with_name("latkit"))]
    found = subprocess.run(argv, env={**os.environ, **own}, capture_output=True, text=True, check=False)
    assert found.stdout.split() == ["profile"]
