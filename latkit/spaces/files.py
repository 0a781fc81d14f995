"""Search spaces written by users as TOML: any chain of layers with any registered op kinds.

    name = "my-space"
    input_shape = [3, 32, 32]

    [[layers]]
    name = "stem"
    candidates = [{ kind = "conv", out_channels = 16, stride = 2 }]

    [[layers]]
    name = "body"
    repeat = 3
    candidates = [
        { kind = "mbconv", out_channels = 16, kernel = [3, 5], expansion = [3, 6] },
        { kind = "skip" },
    ]

A list in place of an attribute's value stands for one candidate per entry; two lists, for every combination.
"""

from __future__ import annotations

import itertools
import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from latkit.errors import BadFile, UsageError
from latkit.ops import Op, Shape, make_op
from latkit.spaces.space import Layer, Space

Attributes = dict[str, int | float | str | bool | list[int | float | str | bool]]


class _LayerFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str = Field(min_length=1)
    repeat: int = Field(default=1, ge=1, le=1000)
    candidates: list[Attributes] = Field(min_length=1)


class _SpaceFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str = Field(min_length=1)
    input_shape: list[int] = Field(min_length=1, max_length=3)
    layers: list[_LayerFile] = Field(min_length=1)


def _expand(shape: Shape, attributes: Attributes) -> Iterator[Op]:
    kind = attributes.get("kind")
    if not isinstance(kind, str):
        raise UsageError(f"expected a candidate to name its kind, but found {attributes}")
    rest = {name: value if isinstance(value, list) else [value] for name, value in attributes.items() if name != "kind"}
    for name, values in rest.items():
        if not values:
            raise UsageError(f"expected at least one value of {name}, but found an empty list")
    for combination in itertools.product(*rest.values()):
        yield make_op(kind, shape, **dict(zip(rest, combination, strict=True)))


@contextmanager
def _at(where: str) -> Iterator[None]:
    """Put the place in the file in front of what is wrong there."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _candidates(shape: Shape, number: int, entry: _LayerFile) -> tuple[Op, ...]:
    ops: list[Op] = []
    for index, attributes in enumerate(entry.candidates):
        with _at(f"layers.{number}.candidates.{index}"):
            ops += _expand(shape, attributes)
    return tuple(ops)


def _layers(document: _SpaceFile) -> Iterator[Layer]:
    shape: Shape = tuple(document.input_shape)
    for number, entry in enumerate(document.layers):
        for repetition in range(1, entry.repeat + 1):
            name = entry.name if entry.repeat == 1 else f"{entry.name}{repetition}"
            candidates = _candidates(shape, number, entry)
            with _at(f"layers.{number}"):
                yield Layer(name, candidates)
            shape = candidates[0].output_shape


def load_space_file(path: str | os.PathLike[str]) -> Space:
    """Read a space from a TOML file. Raises BadFile saying which field is wrong, counting layers from 0."""
    expected = "a search space as TOML"
    try:
        with Path(path).open("rb") as file:
            document = _SpaceFile.model_validate(tomllib.load(file))
        return Space(document.name, tuple(_layers(document)))
    except FileNotFoundError:
        raise BadFile(path, expected, "no such file") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadFile(path, expected, f"{where}: {first['msg']}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, UsageError) as error:
        raise BadFile(path, expected, str(error)) from error
