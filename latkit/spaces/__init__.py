"""Search spaces: the candidate ops of every layer."""

from __future__ import annotations

from collections.abc import Callable

from latkit.errors import UsageError
from latkit.spaces.builtin.proxyless import proxyless_mobile, proxyless_tiny, scale_channels
from latkit.spaces.files import load_space_file
from latkit.spaces.space import Architecture, Layer, Space
from latkit.spaces.variations import variations

BUILT_IN: dict[str, Callable[..., Space]] = {"proxyless-mobile": proxyless_mobile, "proxyless-tiny": proxyless_tiny}
"""The built-in spaces, by name."""


def load(name: str, **parameters: int | float) -> Space:
    """A built-in space by name, with its parameters, or a space from a TOML file. Raises UsageError."""
    if name.endswith(".toml"):
        if parameters:
            raise UsageError(f"a space from a file takes no parameters, but found {', '.join(parameters)}")
        return load_space_file(name)
    if name not in BUILT_IN:
        raise UsageError(f"unknown space {name!r}; known spaces: {', '.join(BUILT_IN)}, or a file ending in .toml")
    try:
        return BUILT_IN[name](**parameters)
    except TypeError as error:
        raise UsageError(f"space {name}: {error}") from error


__all__ = [
    "BUILT_IN",
    "Architecture",
    "Layer",
    "Space",
    "load",
    "load_space_file",
    "proxyless_mobile",
    "proxyless_tiny",
    "scale_channels",
    "variations",
]
