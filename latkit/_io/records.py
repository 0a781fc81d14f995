"""Records as files: JSON documents that name the version of latkit that wrote them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, Self, TypeVar, get_args

from latkit._io.atomic import write_text
from latkit._io.formats import other_format
from latkit._io.parsing.json_text import parse_json
from latkit._io.reading import MAX_FILE_BYTES, read_bytes, reading
from latkit._version import __version__
from latkit.errors import UsageError

FORMAT, RELEASE = "format", "latkit"
"""Fields of a file: its format, and the version of latkit that wrote it. Records themselves lack the second."""


class JsonRecord(Protocol):
    """A record of pydantic's, which takes long to import: not every command needs it."""

    @classmethod
    def model_validate_json(cls, json_data: str | bytes, /) -> Self:
        """The record of a JSON document. Raises ValidationError."""
        ...


Record = TypeVar("Record", bound=JsonRecord)


def write_record(path: str | os.PathLike[str], document: Mapping[str, object], indent: int | None = 1) -> None:
    """Write a record's JSON document, with the version of latkit after its format; atomically.

    Raises DiskFull and WriteError.
    """
    write_text(path, json.dumps(with_release(document), indent=indent) + "\n")


def with_release(document: Mapping[str, object]) -> dict[str, object]:
    """A record's document with the version of latkit after its format."""
    head = {FORMAT: document[FORMAT]} if FORMAT in document else {}
    return {**head, RELEASE: __version__, **document}


def take_release(document: object) -> str:
    """Remove the version of latkit that wrote a document, and return it; empty where the document names none."""
    found = document.pop(RELEASE, "") if isinstance(document, dict) else ""
    return found if isinstance(found, str) else ""


@contextmanager
def reading_json(path: str | os.PathLike[str], expected: str, max_bytes: int = MAX_FILE_BYTES) -> Iterator[object]:
    """The JSON document of a file of latkit's. Exceptions inside become BadFile, as in `reading`.

    The document lacks the version of latkit that wrote it, which the errors name.
    """
    content = read_bytes(path, expected, max_bytes)
    with reading(path, expected):
        document = parse_json(content)
    with reading(path, expected, take_release(document)):
        yield document


def load_json(path: str | os.PathLike[str], expected: str, max_bytes: int = MAX_FILE_BYTES) -> object:
    """The JSON document of a file, as `parse_json` accepts it. Raises BadFile."""
    with reading_json(path, expected, max_bytes) as document:
        return document


def load_record(
    path: str | os.PathLike[str], kind: type[Record], expected: str, max_bytes: int = MAX_FILE_BYTES
) -> Record:
    """A record of that kind from a JSON file. Raises BadFile, which names the wrong field."""
    with reading_json(path, expected, max_bytes) as document:
        _check_format(kind, document)
        return kind.model_validate_json(json.dumps(document))  # as JSON, in which a list is a tuple, and text a time


def _check_format(kind: type, document: object) -> None:
    """Raise UsageError for a document of another format: what else differs follows from that."""
    field = getattr(kind, "model_fields", {}).get(FORMAT)
    formats = get_args(field.annotation) if field else ()
    found = document.get(FORMAT, formats[-1]) if formats and isinstance(document, dict) else None
    if found is not None and found not in formats:
        raise UsageError(other_format(found, [str(one) for one in formats]))
