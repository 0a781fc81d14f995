"""A file of another version says whether it is older or newer, and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel

from latkit._io import load_record, other_format
from latkit.errors import BadFile
from latkit.ops import Network
from latkit.spaces import load


@pytest.mark.parametrize(
    ("found", "phrase"),
    [
        ("latkit-x-9", "format 'latkit-x-9', which a newer latkit wrote; update latkit"),
        (
            "latkit-x-1",
            "format 'latkit-x-1', which an older latkit wrote; make it again, or read it with that version",
        ),
        ("latkit-y-1", "format 'latkit-y-1'"),
        ("latkit-x-\u0663\x1b", r"format 'latkit-x-\u0663\x1b'"),
        (None, "no format in it"),
    ],
)
def test_another_format_is_older_newer_or_unknown(found: object, phrase: str) -> None:
    assert other_format(found, ["latkit-x-2", "latkit-x-3"]).encode("ascii", "backslashreplace").decode() == phrase


class Thing(BaseModel):
    format: Literal["latkit-thing-1", "latkit-thing-2"]


class Numbered(BaseModel):
    format: Literal[2] = 2


@pytest.mark.parametrize(("kind", "found"), [(Thing, "latkit-thing-3"), (Numbered, 3)])
def test_records_say_it(tmp_path: Path, kind: type[BaseModel], found: object) -> None:
    path = tmp_path / "thing.json"
    path.write_text(json.dumps({"format": found}))
    with pytest.raises(BadFile, match=f"found format {found!r}, which a newer latkit wrote; update latkit"):
        load_record(path, kind, "a thing")


def test_networks_and_spaces_say_it(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"format": "latkit-network-9"}))
    with pytest.raises(BadFile, match="'latkit-network-9', which a newer latkit wrote"):
        Network.load(path)
    path.write_text(json.dumps({"format": "latkit-elastic-9"}))
    with pytest.raises(BadFile, match="'latkit-elastic-9', which a newer latkit wrote"):
        load(str(path))
