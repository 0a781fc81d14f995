"""Every file of latkit's names the version that wrote it, and one that cannot be read says so, with what to do."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest
import tomli_w
import torch
from pydantic import BaseModel
from safetensors.torch import save_file

import latkit
from latkit._io import load_record, reading_json, write_record
from latkit.devices import Device
from latkit.devices.leases.quarantine import quarantine, quarantine_of
from latkit.errors import BadFile
from latkit.evaluation.validation import Validation
from latkit.graphs import Graph
from latkit.latency_models import LatencyModel, load_model
from latkit.latency_models.registry import MODEL_KINDS
from latkit.measurements import Store
from latkit.ops import Network
from latkit.search.history import FORMAT as HISTORY
from latkit.search.history import History
from latkit.search.once_for_all.subnets.score_predictor import FORMATS as PREDICTORS
from latkit.search.once_for_all.subnets.score_predictor import ScorePredictor
from latkit.search.records.checkpoint import load_checkpoint, save_checkpoint
from latkit.spaces.registry import SPACE_FORMATS, load_saved
from latkit.tables import LatencyTable
from latkit.targets import Target

PACKAGE = Path(latkit.__file__).parent
TEXT_WRITERS = {"write_text", "write_bytes"}
SERIALIZERS = {"model_dump_json", "dumps"}
OTHER_FORMATS = {
    "report/profile_files.py": "Chrome's trace format, and Model Explorer's",
    "devices/sessions/host_state.py": "a note, which is made again where it cannot be read",
}
"""Files that write JSON in another way, and what."""

Read = Callable[[Path], object]


def record_classes() -> Iterator[type[BaseModel]]:
    """Every pydantic record of the package that names its format."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "format: Literal[" not in (text := path.read_text(encoding="utf-8")):
            continue
        module = import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))
        for node in ast.parse(text).body:
            fields = [one.target for one in getattr(node, "body", []) if isinstance(one, ast.AnnAssign)]
            if isinstance(node, ast.ClassDef) and any(ast.unparse(field) == "format" for field in fields):
                yield getattr(module, node.name)


def newest(kind: type[BaseModel]) -> str | int:
    """The newest format of a record."""
    found: str | int = get_args(kind.model_fields["format"].annotation)[-1]
    return found


def other(found: str | int, number: int) -> str | int:
    """The same format with another number."""
    return number if isinstance(found, int) else f"{found.rpartition('-')[0]}-{number}"


RECORDS = {str(newest(kind)): kind for kind in record_classes() if isinstance(newest(kind), str)}
READERS: dict[str, Read] = {
    **{name: lambda path, kind=kind: load_record(path, kind, "a record") for name, kind in RECORDS.items()},
    **{name: load_saved for name in SPACE_FORMATS.names() if name.startswith("latkit-")},
    "latkit-network-2": Network.load,
    "latkit-graph-1": Graph.load,
    PREDICTORS[-1]: ScorePredictor.load,
}
"""What reads the JSON file of each format."""


def test_formats_are_found() -> None:
    assert {"latkit-profile-1", "latkit-search-result-1", "latkit-job-1", "latkit-fusion-1"} <= set(RECORDS)


@pytest.mark.parametrize("name", READERS)
def test_a_record_of_another_format_names_the_version_that_wrote_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps({"format": other(name, 999), "latkit": "9.1"}))
    with pytest.raises(BadFile, match=r"-999', which a newer latkit \(9\.1\) wrote; update latkit"):
        READERS[name](path)
    path.write_text(json.dumps({"format": other(name, 0), "latkit": "0.0.1"}))
    with pytest.raises(BadFile, match=r"-0', which an older latkit \(0\.0\.1\) wrote; make it again, or read it with"):
        READERS[name](path)


@pytest.mark.parametrize("kind", MODEL_KINDS.names())
def test_a_latency_model_names_it(tmp_path: Path, kind: str) -> None:
    path, found = tmp_path / "model.json", MODEL_KINDS.get(kind)
    for release, number, phrase in (("9.1", 999, r"newer latkit \(9\.1\)"), ("0.0.1", 0, r"older latkit \(0\.0\.1\)")):
        path.write_text(json.dumps({"format": other(found.formats[-1], number), "latkit": release, "kind": kind}))
        for read in (found.load, lambda place: load_model(place, LatencyModel)):
            with pytest.raises(BadFile, match=rf"which an? {phrase} wrote; .*run latkit fit again"):
                read(path)


def test_a_table_with_tensors_names_it(tmp_path: Path) -> None:
    path = tmp_path / "table.safetensors"
    save_file({"seconds": torch.zeros(1)}, path, {"format": "latkit-table-999", "latkit": "9.1"})
    with pytest.raises(BadFile, match=r"newer latkit \(9\.1\) wrote"):
        LatencyTable.load(path)
    LatencyTable.from_seconds("s", "k", [[1.0]], 0.0).save(path)
    assert LatencyTable.load(path).rows() == [[1.0]]
    assert f'"latkit":"{latkit.__version__}"'.encode() in path.read_bytes().replace(b": ", b":")


def test_devices_and_quarantines_name_it(tmp_path: Path) -> None:
    path = tmp_path / "pi.toml"
    path.write_text(tomli_w.dumps({"format": 999, "latkit": "9.1"}))
    with pytest.raises(BadFile, match=r"format 999, which a newer latkit \(9\.1\) wrote; update latkit"):
        Device.read(path)
    quarantine(tmp_path, "pi", [("2026-01-01T00:00:00+00:00", "gone")])
    (path,) = [one for one in tmp_path.rglob("*") if one.is_file() and one != path]
    assert f'latkit = "{latkit.__version__}"' in path.read_text()
    path.write_text(path.read_text().replace("format = 1", "format = 999").replace(latkit.__version__, "9.1"))
    with pytest.raises(BadFile, match=r"format 999, which a newer latkit \(9\.1\) wrote; update latkit"):
        quarantine_of(tmp_path, "pi")


def test_a_store_names_it(tmp_path: Path) -> None:
    import sqlite3

    path, target = tmp_path / "measurements.sqlite", Target.parse("pi/tflite")
    Store(path, target).close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT latkit FROM written_by").fetchall() == [(latkit.__version__,)]
        connection.execute("UPDATE written_by SET latkit = '9.1'")
        connection.execute("PRAGMA user_version = 999")
    with pytest.raises(BadFile, match=r"format 999, which a newer latkit \(9\.1\) wrote; update latkit"):
        Store(path, target)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE written_by")
    with pytest.raises(BadFile, match="format 999, which a newer latkit wrote; update latkit"):
        Store(path, target)


def test_checkpoints_and_histories_name_it(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "newer.pt", {"format": "latkit-checkpoint-999", "latkit": "9.1"})
    with pytest.raises(BadFile, match=r"newer latkit \(9\.1\) wrote; update latkit"):
        load_checkpoint(tmp_path / "newer.pt")
    (tmp_path / "h.jsonl").write_text(json.dumps({"format": other(HISTORY, 999), "latkit": "9.1"}) + "\n")
    with pytest.raises(BadFile, match=r"newer latkit \(9\.1\) wrote; update latkit, or resume with"):
        History(tmp_path / "h.jsonl", {"format": HISTORY})


def test_a_file_of_a_known_format_that_another_version_wrote_names_it(tmp_path: Path) -> None:
    path = tmp_path / "validation.json"
    path.write_text(json.dumps({"latkit": "9.1", "target": "pi/tflite"}))
    with pytest.raises(BadFile, match=r"Field required; latkit 9\.1 wrote it: make it again, or read it with that"):
        Validation.load(path)
    path.write_text(json.dumps({"latkit": latkit.__version__, "target": "pi/tflite"}))
    with pytest.raises(BadFile, match=r"Field required$"):
        Validation.load(path)


def test_the_version_is_no_part_of_a_record(tmp_path: Path) -> None:
    path = tmp_path / "thing.json"
    write_record(path, {"format": "latkit-thing-1", "size": 1})
    assert list(json.loads(path.read_text()).items())[:2] == [
        ("format", "latkit-thing-1"),
        ("latkit", latkit.__version__),
    ]
    with reading_json(path, "a thing") as document:
        assert document == {"format": "latkit-thing-1", "size": 1}


@pytest.mark.parametrize("release", [9.1, None, ["9.1"], {"a": 1}, "", "9.1\n\x1b" * 100])
def test_a_version_that_is_none_does_no_harm(tmp_path: Path, release: object) -> None:
    path = tmp_path / "network.json"
    path.write_text(json.dumps({"format": "latkit-network-999", "latkit": release}))
    with pytest.raises(BadFile, match=r"which a newer latkit.* wrote; update latkit") as caught:
        Network.load(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300 + len(str(path))


def unmarked(source: str) -> list[str]:
    """The calls in a source that write a document without the version."""
    found = []
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        parts = {getattr(one, "attr", getattr(one, "id", "")) for one in ast.walk(call)}
        name = ast.unparse(call.func).rpartition(".")[2]
        if name in TEXT_WRITERS and parts & SERIALIZERS and "with_release" not in parts:
            found.append(f"{call.lineno} {ast.unparse(call.func)}")
    return found


def test_every_record_is_written_with_the_version() -> None:
    found = [
        f"{place}:{call}"
        for path in PACKAGE.rglob("*.py")
        if (place := path.relative_to(PACKAGE).as_posix()) not in OTHER_FORMATS
        and not place.startswith(("_io/", "testing/"))
        for call in unmarked(path.read_text(encoding="utf-8"))
    ]
    assert not found, "use latkit._io.write_record"


@pytest.mark.parametrize("place", OTHER_FORMATS)
def test_no_exception_is_out_of_date(place: str) -> None:
    assert unmarked((PACKAGE / place).read_text(encoding="utf-8"))
