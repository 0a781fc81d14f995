"""Ops as text: their titles for people, and the parsing of their JSON documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from latkit.errors import UsageError
from latkit.ops.attribute import Shape, Value, shown

LETTERS = {"kernel": "k", "expansion": "e", "stride": "s"}
"""Of attributes in a title, in order."""

REQUIRED = {"kind", "input_shape", "attributes"}
OPTIONAL = {"other_inputs", "precision"}


def title_of(kind: str, shapes: Sequence[Shape], attributes: Mapping[str, Value]) -> str:
    """Such as `mbconv k5 e6 s1 24x56x56 > 40`; the shapes of several inputs are joined by `+`."""
    parts = [str(attributes["function"])] if "function" in attributes else []
    parts += [f"{letter}{attributes[name]}" for name, letter in LETTERS.items() if attributes.get(name)]
    if attributes.get("groups", 1) != 1:
        parts.append(f"g{attributes['groups']}")
    parts.append(" + ".join("x".join(map(str, shape)) for shape in shapes))
    output = attributes.get("out_channels", attributes.get("out_features"))
    parts += [f"> {output}"] if output is not None else []
    return " ".join([kind, *parts])


def parse_op_document(document: object) -> tuple[str, tuple[Shape, ...], Mapping[str, object], object]:
    """Kind, input shapes, attributes and precision of an op's document, their values unchecked. Raises UsageError."""
    if not isinstance(document, dict) or not REQUIRED <= set(document) <= REQUIRED | OPTIONAL:
        raise UsageError(f"expected an op with kind, input_shape and attributes, but found {shown(document, 200)}")
    shape, attributes, others = document["input_shape"], document["attributes"], document.get("other_inputs", [])
    if not all(isinstance(value, list) for value in (shape, others)) or not isinstance(attributes, dict):
        raise UsageError(f"expected a list and a table in an op, but found {shown(document, 200)}")
    if not all(isinstance(other, list) for other in others):
        raise UsageError(f"expected other_inputs as a list of shapes, but found {shown(others)}")
    shapes = tuple(tuple(one) for one in (shape, *others))
    return document["kind"], shapes, attributes, document.get("precision", "fp32")
