"""Graphs as JSON documents: their parts, written and read back."""

from __future__ import annotations

import math
from typing import Any

from latkit.graphs.node import Constant, Node, Quantization, Setting, Tensor


def tensor_to_json(tensor: Tensor) -> list[object]:
    """Its type and shape, and its quantization where it has one."""
    quantization = tensor.quantization
    quantized = [] if quantization is None else [[quantization.axis, quantization.scale, quantization.zero_point]]
    return [tensor.type, list(tensor.shape), *quantized]


def constant_to_json(constant: Constant) -> list[object]:
    """Its type, shape and values; then what it has of an example and a quantization."""
    kind, shape, *quantized = tensor_to_json(constant.tensor)
    values, example = _numbers_to_json(constant.values), _numbers_to_json(constant.example)
    return [kind, shape, values, *([example, *quantized] if example is not None or quantized else [])]


def key_of_document(document: dict[str, Any]) -> dict[str, Any]:
    """The part of a graph's document that its key is made of: without its name, and without numbers of quantization."""
    nodes = [{**node, "outputs": [_keyed(entry, 2) for entry in node["outputs"]]} for node in document["nodes"]]
    inputs = [_keyed(entry, 2) for entry in document["inputs"]]
    constants = [_keyed(entry[:3] + entry[4:], 3) for entry in document["constants"]]
    keyed = {**document, "inputs": inputs, "constants": constants, "nodes": nodes}
    return {name: value for name, value in keyed.items() if name != "name"}


def _keyed(entry: list[Any], place: int) -> list[Any]:
    """A tensor's entry with the axis alone of the quantization at that place."""
    return [*entry[:place], *([quantization[0]] for quantization in entry[place:])]


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
    kind, shape, *quantized = entry
    quantization = Quantization(*_list(quantized[0])) if quantized else None
    return Tensor(tuple(as_integer(size) for size in _list(shape)), kind, quantization)


def constant_from_json(entry: Any) -> Constant:
    """Raises ValueError, TypeError or UsageError."""
    kind, shape, values, *more = entry
    example, *quantized = more or [None]
    numbers, examples = _numbers_from_json(values), _numbers_from_json(example)
    return Constant(tensor_from_json((kind, shape, *quantized)), numbers, examples)


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


def _numbers_to_json(values: tuple[int | float, ...] | None) -> list[object] | None:
    return None if values is None else [_number_to_json(value) for value in values]


def _numbers_from_json(values: Any) -> tuple[int | float, ...] | None:
    return None if values is None else tuple(_number_from_json(value) for value in _list(values))


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
