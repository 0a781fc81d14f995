"""Mutations of documents (JSON, TOML, YAML): a tree is parsed, changed in a few places, and written again.

A document is a tree of `Pairs` (a mapping that may hold a key twice), lists, and plain values. `Raw` is text that is
written unchanged: numbers that Python would not write, nesting beyond its recursion limit, broken syntax.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from typing import Any

Node = Any

ESCAPES = "\x1b[31m\x07\x9b2J\x1b]0;title\x07"
BIDI = "\u202eevil\u2066\u200b\u200e\ufeff"
MARKUP = "[/red] [bold] [/rev2] [link=file:///x]"
TEXTS = (
    "",
    " ",
    "\n",
    "a\nerror: everything is well\n",
    "\0",
    ESCAPES,
    BIDI,
    MARKUP,
    "\ud800",
    "x" * 70_000,
    "a/b",
    "../../../etc/passwd",
    "/dev/zero",
    "~nobody/x",
    "-rf",
    "$(id)",
    "NaN",
    "1e400",
    "<script>alert(1)</script>",
    "ａ０٣²",
    "%s%d{0}",
    "here/onnxruntime",
    "torch_cuda",
)
"""Difficult texts: controls, markup, a lone surrogate, paths, digits that are not ASCII."""
NUMBERS = (
    0,
    -1,
    1,
    2,
    3,
    2**31,
    2**33,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    10**30,
    10**400,
    -(10**400),
    0.5,
    -0.0,
    5e-324,
    1e-300,
    1e300,
    math.nan,
    math.inf,
    -math.inf,
)
DEPTHS = (100, 250, 1000, 20_000)


class Raw(str):
    """Text that is written unchanged."""

    __slots__ = ()


class Pairs(list[tuple[str, Node]]):
    """A mapping, in order; a key may occur twice."""


RAWS = tuple(Raw(text) for text in ("1e400", "-1e400", "9" * 5000, "1" + "0" * 400, "0x10", "1_000", "01", "+1", ""))
YAML_RAWS = tuple(
    Raw(text)
    for text in ("2001-99-99", "!!int x", "!!float y", "!!python/object:os.system x", "*nowhere", "0b2", "1:2:3", "~")
)


def parse(value: object) -> Node:
    """A plain document as a tree."""
    if isinstance(value, dict):
        return Pairs((str(name), parse(each)) for name, each in value.items())
    if isinstance(value, list | tuple):
        return [parse(each) for each in value]
    return value


def mutated(rng: random.Random, tree: Node, others: tuple[Raw, ...] = RAWS) -> Node:
    """A tree that differs in one to three places. The argument is not changed."""
    tree = _copied(tree)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        tree = _changed_somewhere(rng, tree, others)
    return tree


def _copied(tree: Node) -> Node:
    if isinstance(tree, Pairs):
        return Pairs((name, _copied(each)) for name, each in tree)
    return [_copied(each) for each in tree] if isinstance(tree, list) else tree


def _changed_somewhere(rng: random.Random, tree: Node, others: tuple[Raw, ...]) -> Node:
    """Go down by chance, so that what stands high in a document is changed as often as its many leaves."""
    if isinstance(tree, list) and tree and rng.random() < 0.9:
        index = rng.randrange(len(tree))
        if isinstance(tree, Pairs):
            name, value = tree[index]
            tree[index] = (name, _changed_somewhere(rng, value, others))
        else:
            tree[index] = _changed_somewhere(rng, tree[index], others)
        return tree
    if isinstance(tree, list) and rng.random() < 0.6:
        return rng.choice(_ON_PAIRS if isinstance(tree, Pairs) else _ON_LISTS)(rng, tree)
    if rng.random() < 0.55:
        return _near(rng, tree)
    return other_value(rng, others)


def _near(rng: random.Random, value: Node) -> Node:
    """A value of the same type, slightly different."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice(
            (value + 1, value - 1, -value, value * 1000, value * 2**40, value + 0.5 if abs(value) < 2**53 else 0.5)
        )
    if isinstance(value, float):
        return rng.choice((value * 1e9, value * 1e-9, -value, 0.0, float("nan")))
    if isinstance(value, str):
        at = rng.randint(0, len(value))
        return value[:at] + rng.choice(TEXTS) + value[at:] if rng.random() < 0.7 else value[:at]
    return other_value(rng, RAWS)


def other_value(rng: random.Random, others: tuple[Raw, ...] = RAWS) -> Node:
    """A value of any type."""
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice((None, True, False))
    if kind in (1, 2):
        return rng.choice(NUMBERS)
    if kind in (3, 4):
        return rng.choice(TEXTS)
    if kind == 5:
        return rng.choice(others)
    if kind == 6:
        return rng.choice(([], Pairs(), [None], [[]], [0] * 3, ["x"], Pairs([("", None)]), [1, "a", None]))
    return deep(rng.choice(DEPTHS), rng.choice(("[]", "{}")))


def deep(levels: int, brackets: str = "[]") -> Raw:
    """Nesting of that depth."""
    return Raw("[" * levels + "]" * levels if brackets == "[]" else '{"a":' * levels + "1" + "}" * levels)


def _renamed(rng: random.Random, pairs: Pairs) -> Node:
    if pairs:
        index = rng.randrange(len(pairs))
        name, value = pairs[index]
        names = [*TEXTS, name.upper(), name + "s", name[:-1], *(other for other, _ in pairs)]
        pairs[index] = (rng.choice(names), value)
    return pairs


def _dropped(rng: random.Random, items: list[Node]) -> Node:
    if items:
        del items[rng.randrange(len(items))]
    return items


def _doubled(rng: random.Random, items: list[Node]) -> Node:
    if items:
        items.insert(rng.randint(0, len(items)), _copied_item(rng.choice(items)))
    return items


def _copied_item(item: Node) -> Node:
    return (item[0], _copied(item[1])) if isinstance(item, tuple) else _copied(item)


def _swapped(rng: random.Random, items: list[Node]) -> Node:
    if len(items) > 1:
        one, other = rng.sample(range(len(items)), 2)
        if isinstance(items, Pairs):
            (name, value), (other_name, other_value_) = items[one], items[other]
            items[one], items[other] = (name, other_value_), (other_name, value)
        else:
            items[one], items[other] = items[other], items[one]
    return items


def _added(rng: random.Random, pairs: Pairs) -> Node:
    pairs.append((rng.choice(TEXTS), other_value(rng)))
    return pairs


def _many(rng: random.Random, items: list[Node]) -> Node:
    return items * rng.choice((0, 2, 50, 1000)) if len(items) <= 20 else items[: rng.randint(0, 3)]


_ON_PAIRS: tuple[Callable[[random.Random, Any], Node], ...] = (_renamed, _dropped, _doubled, _swapped, _added)
_ON_LISTS: tuple[Callable[[random.Random, Any], Node], ...] = (_dropped, _doubled, _swapped, _many)


def to_json(tree: Node) -> str:
    """As JSON, which YAML reads too."""
    return _written(tree, "{", ": ", "}", "null")


def to_toml(tree: Node) -> str:
    """As TOML: everything below the top level inline. A value that TOML cannot express becomes a text."""
    if not isinstance(tree, Pairs):
        return f"value = {_inline(tree)}\n"
    return "".join(f"{_text(name)} = {_inline(value)}\n" for name, value in tree)


def _inline(tree: Node) -> str:
    return _written(tree, "{", " = ", "}", '"null"')


def _written(tree: Node, begin: str, between: str, end: str, nothing: str) -> str:
    if isinstance(tree, Raw):
        return str(tree)
    if isinstance(tree, Pairs):
        items = (f"{_text(name)}{between}{_written(value, begin, between, end, nothing)}" for name, value in tree)
        return begin + ", ".join(items) + end
    if isinstance(tree, list):
        return "[" + ", ".join(_written(value, begin, between, end, nothing) for value in tree) + "]"
    if tree is None:
        return nothing
    if isinstance(tree, float) and between == " = ":
        return repr(tree)
    return _text(tree) if isinstance(tree, str) else json.dumps(tree)


def _text(value: str) -> str:
    return json.dumps(value)
