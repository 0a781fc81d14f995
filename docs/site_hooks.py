"""Hooks of MkDocs: the command line's reference from the commands themselves, and links into the repository."""

from __future__ import annotations

import ast
import html
import inspect
import re
from typing import Any

import typer

OUTSIDE = re.compile(
    r"\[([^\]]+)\]\((?:\.\./)+(?:latkit|measurements|search|devices|tests|benchmarks|examples|[A-Z]+\.md)[^)]*\)"
)
"""A link from docs/ into the rest of the repository."""


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the commands into their page; what lies outside docs/ is named instead of linked."""
    for mark, generated in GENERATED.items():
        if mark in markdown:
            markdown = markdown.replace(mark, generated())
    return OUTSIDE.sub(r"\1", markdown)


def command_line() -> str:
    """Every command with its arguments, options and example, as Markdown."""
    from latkit.cli.app import app
    from latkit.cli.examples import commands

    root: Any = typer.main.get_command(app)
    parts = []
    for name, info, _ in commands(app):
        if info.hidden:
            continue
        command = root
        for part in name.split():
            command = command.commands[part]
        parts.append(section(name, command))
    return "\n\n".join(sorted(parts))


def section(name: str, command: Any) -> str:
    """One command."""
    rows = [row(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
    example = (command.epilog or "").removeprefix("Example: ")
    lines = [f"## latkit {name}", "", (command.help or "").strip().replace("\f", ""), ""]
    lines += ["| argument or option | meaning |", "|---|---|", *rows, ""]
    lines += ["```", example, "```"] if example else []
    return "\n".join(lines)


def row(parameter: Any) -> str:
    """One argument or option."""
    if parameter.param_type_name == "argument":
        name, text = parameter.metavar or parameter.name.upper(), getattr(parameter, "help", "") or ""
    else:
        names = ", ".join([*parameter.opts, *parameter.secondary_opts])
        metavar = "" if parameter.is_flag or not parameter.metavar else f" {parameter.metavar}"
        name, text = names + metavar, parameter.help or ""
    if parameter.default not in (None, False, ()) and parameter.param_type_name == "option" and not parameter.required:
        text += f" Default: {parameter.default}."
    return f"| <code>{cell(name)}</code> | {cell(text)} |"


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return html.escape(text).replace("|", "&#124;")


def settings() -> str:
    """Every setting of a search with its default and meaning, as a table. The meaning is the string below a field."""
    from latkit.search import SearchSettings

    body = ast.parse(inspect.getsource(SearchSettings)).body[0]
    assert isinstance(body, ast.ClassDef)
    meanings: dict[str, str] = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            meanings[ast.unparse(field.target)] = " ".join(str(below.value.value).split())
    rows = [
        f"| <code>{name}</code> | <code>{cell(str(field.default))}</code> | {meanings.get(name, '')} |"
        for name, field in SearchSettings.model_fields.items()
    ]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


GENERATED = {"<!-- commands -->": command_line, "<!-- settings -->": settings}
"""Parts of pages that are written from the code."""
