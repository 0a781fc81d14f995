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

A list as an attribute's value makes one candidate per entry; two lists, one per combination. A file with `stages` in
place of `layers` is an elastic space; see `latkit.spaces.elastic.files`.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict, Field

from latkit._io import one_line, parse_toml, read_text, reading
from latkit.errors import UsageError
from latkit.ops import Op, Shape, make_op
from latkit.spaces.base import Space
from latkit.spaces.chain import MAX_CANDIDATES, MAX_LAYERS, MAX_OPS, ChainSpace, Layer
from latkit.spaces.elastic.files import space_of

MAX_BYTES = 2**18

Attributes = dict[str, int | float | str | bool | list[int | float | str | bool]]


class _LayerFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str = Field(min_length=1)
    repeat: int = Field(default=1, ge=1, le=MAX_LAYERS)
    candidates: list[Attributes] = Field(min_length=1)

    @property
    def count(self) -> int:
        """Number of candidates, with every combination."""
        return sum(math.prod(len(v) for v in one.values() if isinstance(v, list)) for one in self.candidates)


class _SpaceFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str = Field(min_length=1)
    input_shape: list[int] = Field(min_length=1, max_length=3)
    layers: list[_LayerFile] = Field(min_length=1)


def _expand(shape: Shape, attributes: Attributes) -> Iterator[Op]:
    kind = attributes.get("kind")
    if not isinstance(kind, str):
        raise UsageError(f"expected a candidate to name its kind, but found {one_line(str(attributes), 80)}")
    rest = {name: value if isinstance(value, list) else [value] for name, value in attributes.items() if name != "kind"}
    for name, values in rest.items():
        if not values:
            raise UsageError(f"expected at least one value of {name}, but found an empty list")
    for combination in itertools.product(*rest.values()):
        yield make_op(kind, shape, **dict(zip(rest, combination, strict=True)))


@contextmanager
def _at(where: str) -> Iterator[None]:
    """Prepend the position in the file to the error message."""
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


def _check_counts(document: _SpaceFile) -> None:
    """Raise UsageError for more layers or candidates than allowed, before anything is expanded."""
    for number, entry in enumerate(document.layers):
        if entry.count > MAX_CANDIDATES:
            raise UsageError(
                f"layers.{number}: expected at most {MAX_CANDIDATES} candidates, but found {entry.count:.6g}: "
                "several lists in one candidate stand for every combination of their values"
            )
    if (layers := sum(entry.repeat for entry in document.layers)) > MAX_LAYERS:
        raise UsageError(f"expected at most {MAX_LAYERS} layers, but found {layers}")
    if (count := sum(entry.repeat * entry.count for entry in document.layers)) > MAX_OPS:
        raise UsageError(f"expected at most {MAX_OPS} candidates in all layers, but found {count}")


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
    """Read a space from a TOML file. Raises BadFile with the invalid field; layers count from 0."""
    expected = "a search space as TOML"
    text = read_text(path, expected, MAX_BYTES)
    with reading(path, expected):
        content = parse_toml(text)
        if "stages" in content:
            return space_of(content)
        document = _SpaceFile.model_validate(content)
        _check_counts(document)
        return ChainSpace(document.name, tuple(_layers(document)))
