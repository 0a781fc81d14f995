"""Graphs as JSON documents: their parts, written and read back."""

from __future__ import annotations

import math
from typing import Any

from latkit.graphs.node import Constant, Node, Setting, Tensor


def tensor_to_json(tensor: Tensor) -> list[object]:
    """Its type and shape."""
    return [tensor.type, list(tensor.shape)]


def constant_to_json(constant: Constant) -> list[object]:
    """Its type, shape and values."""
    values = None if constant.values is None else [_number_to_json(value) for value in constant.values]
    return [*tensor_to_json(constant.tensor), values]


def node_to_json(node: Node) -> dict[str, object]:
    """The node as a table. Skipped outputs are included only where there are any, as in earlier files."""
    skipped = {"skipped": list(node.skipped)} if node.skipped else {}
    return {
        "op": node.op,
        "inputs": list(node.inputs),
        "outputs": [tensor_to_json(tensor) for tensor in node.outputs],
        "attributes": {name: _setting_to_json(value) for name, value in node.attributes},
        **skipped,
    }


def tensor_from_json(entry: Any) -> Tensor:
    """Raises ValueError, TypeError or UsageError."""
    kind, shape = entry
    return Tensor(tuple(as_integer(size) for size in _list(shape)), kind)


def constant_from_json(entry: Any) -> Constant:
    """Raises ValueError, TypeError or UsageError."""
    kind, shape, values = entry
    numbers = None if values is None else tuple(_number_from_json(value) for value in _list(values))
    return Constant(tensor_from_json((kind, shape)), numbers)


def node_from_json(entry: Any) -> Node:
    """Raises KeyError, ValueError, TypeError or UsageError."""
    settings = {str(name): _setting_from_json(value) for name, value in dict(entry["attributes"]).items()}
    return Node(
        str(entry["op"]),
        tuple(as_integer(number) for number in _list(entry["inputs"])),
        tuple(tensor_from_json(tensor) for tensor in _list(entry["outputs"])),
        tuple(settings.items()),
        tuple(as_integer(place) for place in _list(entry.get("skipped", []))),
    )


def as_integer(value: Any) -> int:
    """The value, if it is an integer. Raises TypeError."""
    if type(value) is not int:
        raise TypeError(f"expected a whole number, but found {str(value)[:100]!r}")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, but found {str(value)[:100]!r}")
    return value


def _number_to_json(value: float) -> int | float | str:
    """JSON has no infinity, and other readers refuse it: it is written as text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _number_from_json(value: Any) -> int | float:
    if value in ("inf", "-inf", "nan"):
        return float(value)
    if type(value) not in (int, float, bool):
        raise TypeError(f"expected a number, but found {str(value)[:100]!r}")
    found: int | float = value
    return found


def _setting_to_json(value: Setting) -> object:
    if isinstance(value, tuple):
        return [one if isinstance(one, str) else _number_to_json(one) for one in value]
    return value if isinstance(value, str) else _number_to_json(value)


def _setting_from_json(value: Any) -> Setting:
    """An attribute. Text stays text, also the three strings that stand for numbers: no attribute has such a text."""
    if isinstance(value, list):
        if value and all(isinstance(one, str) and one not in ("inf", "-inf", "nan") for one in value):
            return tuple(value)
        return tuple(_number_from_json(one) for one in value)
    if isinstance(value, str) and value not in ("inf", "-inf", "nan"):
        return value
    return _number_from_json(value)
