"""What the words of the command line stand for. Imported when a command runs: spaces take time to import."""

from __future__ import annotations

from latkit.spaces import Space, load


def space_named(name: str, resolution: int | None, width: float | None, classes: int | None) -> Space:
    """The space of that name, or of that TOML file, with the parameters that were given. Raises UsageError."""
    given = {"resolution": resolution, "width": width, "classes": classes}
    return load(name, **{key: value for key, value in given.items() if value is not None})
