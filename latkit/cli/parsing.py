"""What command-line arguments stand for. Imported when a command runs: spaces take time to import."""

from __future__ import annotations

from latkit.errors import UsageError
from latkit.spaces import SPACES, Space, load


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
