"""The known spaces by name, and the formats of saved spaces: those of latkit and those that plug-ins add."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any

from latkit._io import did_you_mean, other_format, reading_json
from latkit._registry import Registry
from latkit.errors import BadFile, UsageError
from latkit.spaces.base import Space
from latkit.spaces.chain import MAX_BYTES
from latkit.spaces.files import load_space_file
from latkit.spaces.precisions import MARK, with_precisions


@dataclass(frozen=True, slots=True)
class SpaceFactory:
    """A named space with parameters, such as a resolution."""

    name: str
    build: Callable[..., Space]
    """Builds the space; all its parameters have defaults. Raises UsageError for values out of range."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(signature(self.build).parameters)

    def __call__(self, **parameters: int | float) -> Space:
        """Build the space. Raises UsageError for a parameter that it does not have, or a value out of range."""
        try:
            return self.build(**parameters)
        except TypeError as error:
            for name in parameters:
                if name not in self.parameters:
                    known = ", ".join(self.parameters)
                    raise UsageError(f"space {self.name}: expected the parameters {known}, but found {name}") from error
            raise UsageError(f"space {self.name}: {error}") from error


SPACES = Registry(
    "space",
    "latkit.spaces",
    SpaceFactory,
    {
        "darts": "latkit.spaces.builtin.darts:SPACE",
        "mnasnet": "latkit.spaces.builtin.mnasnet:SPACE",
        "nasbench-macro": "latkit.spaces.builtin.nasbench_macro:SPACE",
        "nasbench101": "latkit.spaces.builtin.nasbench101:SPACE",
        "nasbench201": "latkit.spaces.builtin.nasbench201:SPACE",
        "ofa-mobile": "latkit.spaces.builtin.ofa_mobile:SPACE",
        "ofa-proxyless": "latkit.spaces.builtin.ofa_proxyless:SPACE",
        "ofa-tiny": "latkit.spaces.builtin.ofa_tiny:SPACE",
        "proxyless-mobile": "latkit.spaces.builtin.proxyless_mobile:SPACE",
        "proxyless-tiny": "latkit.spaces.builtin.proxyless_tiny:SPACE",
    },
)
"""The known spaces. A plug-in adds one with an entry point of the group `latkit.spaces` that is a `SpaceFactory`."""

SPACE_FORMATS: Registry[type] = Registry(
    "format of saved spaces",
    "latkit.space_formats",
    type,
    {
        "latkit-edge-cells-1": "latkit.spaces.cells.edge_cell:EdgeCellSpace",
        "latkit-elastic-1": "latkit.spaces.elastic.space:ElasticSpace",
        "latkit-mnasnet-1": "latkit.spaces.mnasnet:MnasNetSpace",
        "latkit-pool-1": "latkit.spaces.pool:PoolSpace",
        "latkit-space-1": "latkit.spaces.chain:ChainSpace",
        "latkit-darts-cells-1": "latkit.spaces.cells.darts_cell:DartsSpace",
        "latkit-vertex-cells-1": "latkit.spaces.cells.vertex_cell:VertexCellSpace",
    },
)
"""By the `format` of a saved space, the class whose `from_json` reads it."""


def load(name: str, **parameters: int | float) -> Space:
    """A known space by name, with its parameters, or a space from a TOML file, or one saved as JSON. Raises UsageError.

    `NAME:fp32+int8` is the space with every candidate in each of these precisions.
    """
    name, mark, precisions = name.partition(MARK)
    if mark:
        return with_precisions(load(name, **parameters), [one for one in precisions.split("+") if one])
    if name.endswith((".toml", ".json")):
        if parameters:
            raise UsageError(f"a space from a file takes no parameters, but found {', '.join(parameters)}")
        return load_space_file(name) if name.endswith(".toml") else load_saved(name)
    if name not in SPACES:
        raise UsageError(
            f"unknown space {name!r}; known spaces: {', '.join(SPACES.names())}, or a file ending in .toml, or in "
            f".json as a search saves it{did_you_mean(name, SPACES.names())}"
        )
    return SPACES.get(name)(**parameters)


def load_saved(path: str | os.PathLike[str]) -> Space:
    """Read a space that `Space.save` wrote. Raises BadFile, which lists the known formats for an unknown one."""
    with reading_json(path, "a saved search space", MAX_BYTES) as document:
        found = document.get("format") if isinstance(document, dict) else None
        known = SPACE_FORMATS.names()
        if not isinstance(document, dict) or found not in known:
            family = [name for name in known if name.rpartition("-")[0] == str(found).rpartition("-")[0]]
            expected = f"a search space of one of the formats {', '.join(known)}"
            raise BadFile(path, expected, other_format(found, family or known))
        return space_of(document)


def space_of(document: Mapping[str, Any]) -> Space:
    """The space of a document of `Space.to_json`. Raises UsageError for an unknown format, ValueError, TypeError."""
    space = SPACE_FORMATS.get(str(document.get("format"))).from_json(document)  # type: ignore[attr-defined]
    if not isinstance(space, Space):
        raise TypeError(f"{type(space).__name__} in place of a space")
    return space
