"""Checks of what an op is made from: its shapes, attributes and size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from latkit.errors import UsageError
from latkit.ops.attribute import MAX_NUMBERS, Attribute, Shape, Value, shown


def check_input_shape(kind: str, shape: Shape, ranks: Sequence[int]) -> None:
    """Raise UsageError unless a shape has one of the ranks, positive sizes, and not too many elements."""
    if len(shape) not in ranks or not all(type(n) is int and n > 0 for n in shape):
        raise UsageError(
            f"{kind}: expected an input shape of rank {' or '.join(map(str, ranks))} with positive sizes "
            f"(without the batch), but found {shown(shape)}"
        )
    _check_size(kind, "input", shape)


def fill_attributes(
    kind: str, input_shape: Shape, known: Mapping[str, Attribute], given: Mapping[str, object]
) -> tuple[tuple[str, Value], ...]:
    """The attributes, checked, with the defaults of those that are not given; sorted by name. Raises UsageError."""
    unknown = set(given) - set(known)
    if unknown:
        takes = f"it takes {', '.join(known)}" if known else "it takes none"
        raise UsageError(f"{kind}: unknown attribute {shown(min(unknown))}; {takes}")
    filled: dict[str, Value] = {}
    for name, attribute in known.items():
        value: object = given.get(name, attribute.default)
        if callable(value):
            value = value(input_shape, filled)
        if value is None:
            raise UsageError(f"{kind}: attribute {name!r} is missing")
        filled[name] = attribute.check(kind, name, value)
    return tuple(sorted(filled.items()))


def check_sizes(kind: str, output_shape: Shape, parameters: int) -> None:
    """Raise UsageError where an op's output or weights are too large."""
    _check_size(kind, "output", output_shape)
    if parameters > MAX_NUMBERS:
        raise UsageError(f"{kind}: expected at most {MAX_NUMBERS} parameters, but found {parameters:.3g}")


def _check_size(kind: str, what: str, shape: Shape) -> None:
    if (size := math.prod(shape)) > MAX_NUMBERS:
        raise UsageError(f"{kind}: expected an {what} of at most {MAX_NUMBERS} numbers, but found {shown(size)}")
