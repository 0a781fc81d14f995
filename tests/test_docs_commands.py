"""Every command that a page names exists with the options that it gives; documents have the fields that are listed."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

from latkit.cli.app import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
BLOCKS = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(latkit [^`]+)`")
ROOT_COMMAND = typer.main.get_command(app)
FIELDS = {
    "fit": ("fit-onnxruntime",),
    "predict": ("predict-network",),
    "compare": ("compare",),
    "measurements export": ("measurements-export",),
    "measurements import": ("measurements-import",),
    "table export": ("table-export",),
    "table import": ("table-import",),
    "report": ("report-target",),
}
"""Documents of tests/golden by command."""


def commands(page: Path) -> list[str]:
    """The command lines in the blocks of a page, and those in its text that are no patterns."""
    text = page.read_text(encoding="utf-8")
    blocks = "".join(BLOCKS.findall(text)).replace("\\\n", " ")
    lines = [line.strip().removeprefix("$ ") for line in blocks.splitlines()]
    inline = [" ".join(line.split()) for line in INLINE.findall(BLOCKS.sub("", text))]
    found = [line for line in [*lines, *inline] if line.startswith("latkit ")]
    return [line for line in found if not re.search(r"\.\.\.|[\[|]|…", line)]


def parsed(line: str) -> None:
    """Raise a usage error where a command does not exist, or lacks an option."""
    argv = shlex.split(re.split(r" [>#;&] | \d?> ", line + " ")[0].split("   ")[0], comments=True)[1:]
    while argv and argv[0] in ("-C", "--workspace"):
        argv = argv[2:]
    command, path = ROOT_COMMAND, []
    while argv and argv[0] in getattr(command, "commands", {}):
        path.append(argv[0])
        command, argv = command.commands[argv[0]], argv[1:]  # type: ignore[attr-defined]
    assert path or argv[:1] in (["--help"], ["-h"], ["--version"], ["--install-completion"], ["serve"]), line
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}
    given = {word.partition("=")[0] for word in argv if re.match(r"-{1,2}[a-zA-Z]", word)}
    assert given <= known or not path, f"{line}: {', '.join(sorted(given - known))}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_a_page_exists(page: Path) -> None:
    for line in commands(page):
        parsed(line)


def test_most_pages_have_commands() -> None:
    assert sum(bool(commands(page)) for page in PAGES) > len(PAGES) / 2


@pytest.mark.parametrize("command", FIELDS)
def test_the_fields_of_a_document_are_listed(command: str) -> None:
    page = (DOCS / "reference" / "json.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith(f"| `{command}` |")]
    (row,) = rows
    section = page.split(f"## {command}\n")[1].split("\n## ")[0] if f"## {command}\n" in page else ""
    listed = set(re.findall(r"`(\w+)`", row + section))
    for name in FIELDS[command]:
        document = json.loads((ROOT / "tests" / "golden" / "documents-0.1" / f"{name}.json").read_text())
        assert set(document) <= listed, sorted(set(document) - listed)


def test_the_entry_points_on_the_page_are_those_of_the_plug_in() -> None:
    page = (DOCS / "howto" / "plugin.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    plugin = tomllib.loads((ROOT / "tests" / "plugin" / "pyproject.toml").read_text(encoding="utf-8"))
    assert tomllib.loads(block)["project"]["entry-points"] == plugin["project"]["entry-points"]
