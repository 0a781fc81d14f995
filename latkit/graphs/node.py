"""Parts of a graph: tensors, constants and nodes, each checked and in one normal form."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from latkit.errors import UsageError

Setting = int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]
"""Valid types of a node's attribute."""

ABSENT = -1
"""Stands for an optional input that is absent."""

TYPES = ("float32", "int64", "int32", "bool", "float16", "int16", "uint8", "int8", "int4")

BITS = dict(zip(TYPES, (32, 64, 32, 8, 16, 16, 8, 8, 4), strict=True))

QUANTIZED = frozenset({"int16", "uint8", "int8", "int4"})
"""Types that stand for real numbers, by a scale and a zero point."""

MAX_ELEMENTS = 2**63 - 1
"""Maximum number of elements of a tensor, and maximum integer: files hold 64 bits."""

MAX_RANK = 64
MAX_ZERO_POINT = 2**31

_INTEGERS = {"int64": 2**63, "int32": 2**31, "bool": 2, "int16": 2**15, "uint8": 2**8, "int8": 2**7, "int4": 2**3}


def single(value: float) -> float:
    """The nearest 32-bit float, as its shortest decimal: 1e-06, not 9.999999974752427e-07.

    Files hold 32 bits, graphs built by hand 64: both become the same number, and so the same key.
    """
    if math.isnan(value):
        return math.nan
    try:
        rounded = _rounded(float(value))
    except OverflowError:
        return math.copysign(math.inf, value)
    for digits in range(6, 10):
        short = float(f"{rounded:.{digits}g}")
        if math.isfinite(short) and abs(short) < 3.5e38 and _rounded(short) == rounded:
            return short
    return rounded


def _rounded(value: float) -> float:
    found: float = struct.unpack("f", struct.pack("f", value))[0]
    return found


@dataclass(frozen=True, slots=True)
class Quantization:
    """How the integers of a tensor stand for real numbers: (integer - zero point) x scale.

    Only the axis is part of a graph's key: the numbers do not affect latency, but the written graph has them, so that
    the scales of its tensors fit together as in the network that it is a part of.
    """

    axis: int | None = None
    """The axis along which every slice has a scale; all are written with the first one's. None: one scale for all."""
    scale: float = field(default=1.0, compare=False)
    zero_point: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        if self.axis is not None and (type(self.axis) is not int or not 0 <= self.axis < MAX_RANK):
            raise UsageError(f"expected the axis of a quantization, but found {str(self.axis)[:50]}")
        if not (type(self.zero_point) is int and abs(self.zero_point) <= MAX_ZERO_POINT):
            raise UsageError(f"expected a zero point of 32 bits, but found {str(self.zero_point)[:50]}")
        if not (isinstance(self.scale, int | float) and 0 < self.scale < math.inf):
            raise UsageError(f"expected a positive scale, but found {str(self.scale)[:50]}")
        object.__setattr__(self, "scale", single(float(self.scale)))


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a graph. The shape is complete: with the batch, if there is one."""

    shape: tuple[int, ...]
    type: str = "float32"
    quantization: Quantization | None = None
    """Of TFLite's tensors; ONNX has operators for it."""

    def __post_init__(self) -> None:
        if self.type not in TYPES:
            raise UsageError(f"expected a tensor of {', '.join(TYPES)}, but found {str(self.type)[:50]!r}")
        if not all(type(size) is int and 0 <= size <= MAX_ELEMENTS for size in self.shape):
            raise UsageError(f"expected a tensor of whole sizes, but found {str(self.shape)[:200]}")
        if math.prod(self.shape) > MAX_ELEMENTS:
            raise UsageError(f"expected a tensor of fewer than 2^63 numbers, but found {str(self.shape)[:200]}")

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size; 4-bit integers share bytes."""
        return math.ceil(self.elements * BITS[self.type] / 8)


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor that belongs to the network. Weights have a shape only: their values are generated when they are needed.

    Numbers that determine the computation (an axis, a new shape, a scale) are stored in `values`, flat.
    """

    tensor: Tensor
    values: tuple[int | float, ...] | None = None
    example: tuple[int | float, ...] | None = field(default=None, compare=False)
    """Values that do not affect latency and are no part of the key, such as the scale of a quantization. One value
    stands for all: a runtime may require that the scales of several tensors fit together."""

    def __post_init__(self) -> None:
        if self.example is not None and (len(self.example) != 1 or self.values is not None):
            raise UsageError(f"expected one example of a constant's values, but found {len(self.example)}")
        if self.values is None:
            return
        if len(self.values) != self.tensor.elements:
            raise UsageError(f"expected {self.tensor.elements} values in a constant, but found {len(self.values)}")
        bound = _INTEGERS.get(self.tensor.type)
        kinds = (int, float) if bound is None else (int, bool)
        if not all(type(value) in kinds for value in self.values):
            raise UsageError(f"expected numbers of {self.tensor.type} in a constant, but found {self._found()}")
        if bound is None:
            object.__setattr__(self, "values", tuple(single(_float(value)) for value in self.values))
        elif not all(-bound <= value < bound for value in self.values):
            raise UsageError(f"expected numbers of {self.tensor.type} in a constant, but found {self._found()}")

    def _found(self) -> str:
        return str(self.values)[:200]


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise UsageError("expected numbers of float32 in a constant, but found one beyond them") from None


@dataclass(frozen=True, slots=True)
class Node:
    """One operator: its inputs (numbers of values in the graph, or `ABSENT`) and its outputs.

    Attributes are sorted by name, floats are those of 32 bits, and trailing absent inputs are dropped.
    """

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[Tensor, ...]
    attributes: tuple[tuple[str, Setting], ...] = ()
    skipped: tuple[int, ...] = ()
    """Positions of optional outputs that are absent; those after the last output are not listed."""

    def __post_init__(self) -> None:
        inputs = self.inputs
        while inputs and inputs[-1] == ABSENT:
            inputs = inputs[:-1]
        object.__setattr__(self, "inputs", inputs)
        settings = sorted((name, _setting(self.op, name, value)) for name, value in dict(self.attributes).items())
        object.__setattr__(self, "attributes", tuple(settings))
        places = len(self.outputs) + len(self.skipped)
        known = all(type(place) is int and 0 <= place < places - 1 for place in self.skipped)
        if not known or tuple(sorted(set(self.skipped))) != self.skipped or self._last_skipped():
            raise UsageError(f"{self.op[:50]}: expected skipped outputs before the last, but found {self.skipped[:9]}")

    def _last_skipped(self) -> bool:
        """Whether no output comes after the last skipped one."""
        return bool(self.skipped) and self.skipped[-1] == len(self.outputs) + len(self.skipped) - 1

    def get(self, name: str, default: Any = None) -> Any:
        """The attribute of that name, or the default."""
        return next((value for known, value in self.attributes if known == name), default)

    def given(self, names: Sequence[str]) -> list[str]:
        """Names of the outputs by position, empty where one is skipped."""
        waiting = iter(names)
        places = len(self.outputs) + len(self.skipped)
        return ["" if place in self.skipped else next(waiting) for place in range(places)]


def _setting(op: str, name: str, value: object) -> Setting:
    """An attribute's value, checked and with floats of 32 bits."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return _number(op, name, value)
    if isinstance(value, tuple | list):
        if all(isinstance(one, str) for one in value):
            return tuple(value)
        if all(isinstance(one, int | float) for one in value):
            numbers = [_number(op, name, one) for one in value]
            return tuple(float(n) for n in numbers) if any(isinstance(n, float) for n in numbers) else tuple(numbers)
    raise UsageError(f"{op[:50]}: expected numbers or text as {name[:50]!r}, but found {type(value).__name__}")


def _number(op: str, name: str, value: float) -> int | float:
    if isinstance(value, float):
        return single(value)
    if not -MAX_ELEMENTS - 1 <= value <= MAX_ELEMENTS:
        raise UsageError(f"{op[:50]}: expected {name[:50]!r} of 64 bits, but found a larger number")
    return int(value)
