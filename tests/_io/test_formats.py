"""A file of another version says whether it is older or newer, and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from pydantic import BaseModel

import latkit
from latkit._io import load_record, other_format
from latkit.errors import BadFile
from latkit.measurements import read_parquet, write_parquet
from latkit.ops import Network
from latkit.search.history import FORMAT, History
from latkit.search.records.checkpoint import load_checkpoint, save_checkpoint
from latkit.spaces import load
from tests.builders import conv, make_measurement


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


def test_the_release_that_wrote_a_file_is_named(tmp_path: Path) -> None:
    newer = other_format("latkit-x-9", ["latkit-x-3"], release="9.1\n")
    assert newer == "format 'latkit-x-9', which a newer latkit (9.1) wrote; update latkit"
    save_checkpoint(tmp_path / "now.pt", {"step": 1})
    assert load_checkpoint(tmp_path / "now.pt")["latkit"] == latkit.__version__
    save_checkpoint(tmp_path / "newer.pt", {"format": "latkit-checkpoint-9", "latkit": "9.1"})
    with pytest.raises(BadFile, match=r"'latkit-checkpoint-9', which a newer latkit \(9.1\) wrote; update"):
        load_checkpoint(tmp_path / "newer.pt")


def test_a_history_names_it(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    expected: dict[str, object] = {"format": FORMAT, "space": "s"}
    for _ in range(2):  # written, and read
        History(path, expected).close()
        assert json.loads(path.read_text()) == {**expected, "latkit": latkit.__version__}
    path.write_text('{"format": "latkit-search-history-9", "latkit": "9.1"}\n')
    with pytest.raises(BadFile, match=r"which a newer latkit \(9.1\) wrote; update latkit, or resume with"):
        History(path, expected)


def test_a_dataset_names_it(tmp_path: Path) -> None:
    write_parquet([make_measurement(conv(8), 1000)], tmp_path / "now.parquet", "card")
    metadata = pl.read_parquet_metadata(tmp_path / "now.parquet")
    assert metadata["latkit"] == latkit.__version__
    frame = pl.read_parquet(tmp_path / "now.parquet").drop("plan")
    frame.write_parquet(tmp_path / "newer.parquet", metadata={"latkit": "9.1"})
    with pytest.raises(BadFile, match=r"column 'plan' differs; latkit 9\.1 wrote it: update latkit, or export"):
        read_parquet(tmp_path / "newer.parquet")
