"""What command-line arguments stand for. Imported when a command runs: spaces take time to import."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from latkit._io import parse_toml, read_text, reading
from latkit.errors import UsageError
from latkit.spaces import SPACES, Space, load
from latkit.spaces.precisions import with_precisions
from latkit.targets import Target
from latkit.workspace.requests.base import Tool


def space_named(
    name: str, resolution: int | None, width: float | None, classes: int | None, channels: int | None
) -> Space:
    """The space of that name, or of that TOML file, with the parameters given. Raises UsageError."""
    given = {"resolution": resolution, "width": width, "classes": classes, "channels": channels}
    if channels not in (None, 1, 3):
        raise UsageError(f"expected --channels 1 or 3, but found {channels}")
    if channels is not None and name in SPACES and "channels" not in SPACES.get(name).parameters:
        raise UsageError(f"expected a space that knows --channels, such as proxyless-tiny, but found {name}")
    return load(name, **{key: value for key, value in given.items() if value is not None})


MIXED = ("fp32", "int8")
"""What `--precision mixed` searches."""


def in_precisions(space: Space, names: str | None) -> Space:
    """The space with every candidate in each of these precisions: `mixed`, or names joined by `+`.

    Raises UsageError.
    """
    if names is None:
        return space
    return with_precisions(space, MIXED if names == "mixed" else names.split("+"))


def targets_named(names: Sequence[str] | None) -> tuple[Target, ...]:
    """The targets of these names. Raises UsageError."""
    return tuple(map(Target.parse, names or ()))


def tool_named(path: Path | None, flags: Sequence[str] | None) -> Tool | None:
    """The tool that --benchmark-tool and --benchmark-flag name. Raises UsageError for flags without a tool."""
    if path is None:
        if flags:
            raise UsageError(
                f"expected --benchmark-tool PATH with --benchmark-flag, but found --benchmark-flag {flags[0]} alone"
            )
        return None
    return Tool(path=path, flags=tuple(flags or ()))


def parse_constraints(texts: Sequence[str]) -> dict[str, float]:
    """Upper bounds such as `macs<=20e6`, by quantity. Raises typer.BadParameter."""
    bounds: dict[str, float] = {}
    for text in texts:
        quantity, sign, bound_text = (part.strip() for part in text.partition("<="))
        try:
            bound = float(bound_text)
        except ValueError:
            sign = ""
        if not sign or not quantity:
            raise typer.BadParameter(
                f"expected WHAT<=MAX, for example macs<=20e6, but found {text!r}", param_hint="--constraint"
            )
        if quantity in bounds:
            raise typer.BadParameter(f"expected one constraint on {quantity}, but found two", param_hint="--constraint")
        bounds[quantity] = bound
    return bounds


def parse_settings(texts: Sequence[str], option: str = "--set") -> dict[str, object]:
    """Settings such as `epochs=60`, by name. Raises typer.BadParameter."""
    settings: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"expected NAME=VALUE, but found {text!r}", param_hint=option)
        settings[name] = value
    return settings


def read_settings(path: Path | None) -> dict[str, object]:
    """The settings of a TOML file, by name; none without a file. Raises BadFile."""
    if path is None:
        return {}
    expected = "settings of a search in TOML"
    with reading(path, expected):
        settings = parse_toml(read_text(path, expected))
    tables = [name for name, value in settings.items() if isinstance(value, dict | list)]
    if tables:
        raise UsageError(f"{path}: expected NAME = VALUE in every line, but found a table or list {tables[0]!r}")
    return settings
