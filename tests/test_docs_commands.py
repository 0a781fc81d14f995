"""Every command that a page names exists with the options that it gives; documents have the fields that are listed."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer
from typer._click.exceptions import ClickException

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


PATTERN = re.compile(r"\.\.\.|[\[|]|…")
"""What only the syntax of a command has."""


def commands(page: Path) -> list[str]:
    """The command lines in the blocks of a page and in its text that are no patterns."""
    return [line for line in command_lines(page) if not PATTERN.search(line)]


def command_lines(page: Path) -> list[str]:
    """All command lines of a page."""
    text = page.read_text(encoding="utf-8")
    blocks = "".join(BLOCKS.findall(text)).replace("\\\n", " ")
    lines = [line.strip().removeprefix("$ ") for line in blocks.splitlines()]
    inline = [" ".join(line.split()) for line in INLINE.findall(BLOCKS.sub("", text))]
    return [line for line in [*lines, *inline] if line.startswith("latkit ")]


ENDS = (["--help"], ["-h"], ["--version"], ["--install-completion"])
"""What may follow `latkit` without a command."""


def parsed(line: str) -> None:
    """Fail where a command does not exist, lacks an option, or takes no such number of arguments."""
    argv = shlex.split(re.split(r" [>#;&] | \d?> ", line + " ")[0].split("   ")[0], comments=True)[1:]
    while argv and argv[0] in ("-C", "--workspace"):
        argv = argv[2:]
    command, path = ROOT_COMMAND, []
    while argv and argv[0] in getattr(command, "commands", {}):
        path.append(argv[0])
        command, argv = command.commands[argv[0]], argv[1:]  # type: ignore[attr-defined]
    if argv[:1] in ENDS or (not argv and hasattr(command, "commands")):
        assert path or argv, line
        return
    assert not hasattr(command, "commands") or command.name == "collect", f"{line}: no such command"
    if hasattr(command, "commands"):
        command = command.commands["space"]
    context = command.context_class(command, info_name=command.name)
    try:
        _, rest, _ = command.make_parser(context).parse_args(argv)
    except ClickException as error:
        pytest.fail(f"{line}: {error.format_message()}")
    assert rest == [], f"{line}: {command.name} takes no {' '.join(rest)}"


@pytest.mark.parametrize(
    "line",
    [
        "latkit",
        "latkit serv",
        "latkit device lst",
        "latkit serve --prot 0",
        "latkit serve --port",
        "latkit device list pi4 pi5",
        "latkit strategies evolution",
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        parsed(line)


def options_exist(line: str) -> None:
    """Fail where the syntax of a command names one that does not exist, or an option that it lacks."""
    arguments = re.sub(r"[\[\]|…]|\.\.\.", " ", line).split()[1:]
    command = ROOT_COMMAND
    while arguments and arguments[0] in getattr(command, "commands", {}):
        command, arguments = command.commands[arguments[0]], arguments[1:]  # type: ignore[attr-defined]
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}
    given = {word.partition("=")[0] for word in arguments if word.startswith("--")}
    assert command is not ROOT_COMMAND, line
    assert given <= known or hasattr(command, "commands"), f"{line}: {', '.join(sorted(given - known))}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_a_page_exists(page: Path) -> None:
    for line in command_lines(page):
        if PATTERN.search(line):
            options_exist(line)
        else:
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
