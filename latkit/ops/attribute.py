"""Attributes of op kinds: their types, defaults and valid values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from latkit._io import one_line
from latkit.errors import UsageError

MAX_NUMBERS = 2**29
"""Maximum elements of an op's input, output or weights, and maximum of any size: 2 GiB of elements, the limit of a
model file. Values computed from sizes within it fit 64 bits and a double."""

ACTIVATIONS = ("none", "relu", "relu6", "hswish", "sigmoid")
"""Names of activation functions; `none` is the identity."""

Shape = tuple[int, ...]
"""A tensor's shape without the batch: (channels, height, width), or (features,)."""

Value = int | float | str | bool
"""Valid types of an op's attribute."""

Default = Value | Callable[[Shape, Mapping[str, Value]], Value]
"""An attribute's default: a value, or a function of the input shape and the attributes before it."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of an op kind: its type, its default if it has one, and its valid values."""

    type: type
    default: Default | None = None
    choices: tuple[Value, ...] = ()
    min_value: int | None = None

    def check(self, kind: str, name: str, value: object) -> Value:
        """Return the value, or raise UsageError with what was expected."""
        exact = type(value) is self.type or (self.type is float and type(value) is int)
        if not exact:
            raise UsageError(f"{kind}: expected {name} to be {self.type.__name__}, but found {shown(value)}")
        assert isinstance(value, int | float | str | bool)
        if self.choices and value not in self.choices:
            raise UsageError(f"{kind}: expected {name} to be one of {list(self.choices)}, but found {shown(value)}")
        if isinstance(value, int | float) and not -MAX_NUMBERS <= value <= MAX_NUMBERS:
            raise UsageError(f"{kind}: expected {name} of at most {MAX_NUMBERS}, but found {shown(value)}")
        if self.min_value is not None and isinstance(value, int | float) and value < self.min_value:
            raise UsageError(f"{kind}: expected {name} of at least {self.min_value}, but found {value!r}")
        return value


def shown(value: object, max_chars: int = 80) -> str:
    """A value of a file as errors show it."""
    try:
        return one_line(repr(value), max_chars)
    except ValueError:
        return "a number of thousands of digits"
