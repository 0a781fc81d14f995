"""Two-level YAML of latency tables: keys, each with some named values."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Any

import yaml

_LOADER: Any = getattr(
    yaml, "CLoader", yaml.Loader
)  # only its parser is used: it emits events and constructs no objects


def parse_flat_yaml(content: bytes) -> dict[str, dict[str, str]]:
    """The values, still as text, by their keys. Raises ValueError for any other structure.

    Nothing is expanded or constructed, whatever its tag: anchors, aliases, merged keys, lists, deeper nesting and
    duplicate keys are refused.
    """
    events = _events(content)
    table: dict[str, dict[str, str]] = {}
    _expect(next(events), yaml.MappingStartEvent, "keys with figures under them")
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _text(event, table, "a key")
        _expect(next(events), yaml.MappingStartEvent, f"figures under {key[:80]!r}")
        figures: dict[str, str] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            name = _text(event, figures, "a figure's name")
            figures[name] = _text(next(events), {}, f"a number as {name[:80]!r}")
        table[key] = figures
    for event in events:
        _expect(event, yaml.StreamEndEvent | yaml.DocumentEndEvent, "the end of the file")
    return table


def _events(content: bytes) -> Iterator[yaml.Event]:
    """The events of the file's only document."""
    documents = 0
    try:
        for event in yaml.parse(content, Loader=_LOADER):
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                raise ValueError("several documents")
            if not isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
                yield event
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _expect(event: yaml.Event, kind: type[yaml.Event] | UnionType, expected: str) -> None:
    if not isinstance(event, kind) or getattr(event, "anchor", None):
        raise ValueError(f"{_named(event)} in place of {expected}")


def _text(event: yaml.Event, known: dict[str, Any], expected: str) -> str:
    _expect(event, yaml.ScalarEvent, expected)
    text = str(event.value)
    if text in known:
        raise ValueError(f"{text[:80]!r} twice, again in line {event.start_mark.line + 1}")
    return text


def _named(event: yaml.Event) -> str:
    if isinstance(event, yaml.StreamEndEvent | yaml.DocumentEndEvent):
        return "the end of the file"
    if isinstance(event, yaml.AliasEvent):
        return f"an alias in line {event.start_mark.line + 1}"
    names = {yaml.SequenceStartEvent: "a list", yaml.MappingStartEvent: "a mapping"}
    name = names.get(type(event), "a single value")
    return f"{name}{' with an anchor' if getattr(event, 'anchor', None) else ''} in line {event.start_mark.line + 1}"
