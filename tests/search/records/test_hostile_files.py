"""Files of a search, written by another user: refused in a line, before memory is taken or a path followed."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from latkit.errors import BadFile, LatkitError
from latkit.layout.series import Series, series_named
from latkit.search import DataSplit, Problem, Recipe, SearchResult, load_network, run_search
from latkit.search.baselines.records import BASELINES_FILE, Baselines
from latkit.search.objectives.constraints import CONSTRAINTS_FILE, load_constraints
from latkit.search.records.base import load_record
from latkit.search.records.checkpoint import load_checkpoint, save_checkpoint
from latkit.search.records.reproduce import differences
from latkit.search.records.result import FILES
from latkit.search.supernet.warmup import WARM_UP_FILE
from latkit.spaces import Space
from latkit.workspace import Workspace
from tests.search.conftest import Interrupt, Tables, brief, some_path_s

BRIEF = brief()


@pytest.fixture(scope="module")
def searches_folder(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a finished search, `found`, and of one that was killed while it trained, `net`; to be copied."""
    folder, table = tmp_path_factory.mktemp("searched"), table_of(mini_space)
    problem = Problem(mini_space, table, stripes_data, some_path_s(table), BRIEF)
    run_search(problem, folder / "found")
    with pytest.raises(KeyboardInterrupt):
        run_search(problem, folder / "net", Interrupt(15))
    return folder


@pytest.fixture
def begun(searches_folder: Path, tmp_path: Path) -> Path:
    """A search that was killed while it trained."""
    return Path(shutil.copytree(searches_folder / "net", tmp_path / "net"))


@pytest.fixture
def found(searches_folder: Path, tmp_path: Path) -> Path:
    """A finished search."""
    return Path(shutil.copytree(searches_folder / "found", tmp_path / "found"))


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "no dict": lambda saved: saved.update(of=[1]),
    "negative step": lambda saved: saved.update(step=-1),
    "step in words": lambda saved: saved.update(step="many"),
    "no phase": lambda saved: saved.pop("phase"),
    "phase of another kind": lambda saved: saved.update(phase={"weights": {}}),
    "weights of another shape": lambda saved: saved["phase"]["weights"]["module"].update(
        {name: torch.zeros(3) for name in saved["phase"]["weights"]["module"]}
    ),
    "derived in words": lambda saved: saved.update(derived={"architecture": "x"}),
    "derived of another space": lambda saved: saved["derived"].update(architecture=[9] * 30),
    "not derived": lambda saved: saved.pop("derived"),
    "no rows of the search": lambda saved: saved["rows"].update(search=[]),
    "seconds that are none": lambda saved: saved["seconds"].update(search=float("nan")),
    "a row without an epoch": lambda saved: saved["rows"]["search"].append({}),
    "a row that cannot be written": lambda saved: saved["rows"]["search"][0].update(note="\ud800"),
    "a loss that is none": lambda saved: saved["rows"]["search"][0].update(weight_loss=float("nan")),
    "finals in words": lambda saved: saved.update(finals=["x"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_checkpoint_whose_parts_are_wrong_is_refused(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, begun: Path, what: str
) -> None:
    path, table = begun / FILES["checkpoint"], table_of(mini_space)
    saved = load_checkpoint(path)
    assert saved["stage"] == "training"
    WRONG[what](saved)
    save_checkpoint(path, saved)
    content = path.read_bytes()
    with pytest.raises(BadFile, match=r"checkpoint\.pt: expected a checkpoint of") as refused:
        run_search(Problem(mini_space, table, stripes_data, some_path_s(table), BRIEF), begun, resume=True)
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == content
    save_checkpoint(begun / WARM_UP_FILE, {**saved, "stage": "search"})
    with pytest.raises(LatkitError):
        run_search(
            Problem(mini_space, table, stripes_data, some_path_s(table), BRIEF),
            begun.parent / "other",
            warm_up=begun / WARM_UP_FILE,
        )


def test_an_archive_is_not_unpacked_beyond_its_size(begun: Path) -> None:
    path = begun / FILES["checkpoint"]
    content = path.read_bytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10_000_000))
    with pytest.raises(BadFile, match="a compressed archive"):
        load_checkpoint(path)
    place = content.rindex(b"PK\x01\x02")
    path.write_bytes(content[: place + 20] + b"\xff\xff\xff\x7f" * 2 + content[place + 28 :])
    with pytest.raises(BadFile, match=r"an archive of .* bytes whose members say that they are larger"):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"\x80\x04."])
def test_a_file_that_is_no_checkpoint_is_refused_whatever_torch_says(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=r"checkpoint\.pt: expected a checkpoint of a search, but found \S"):
        load_checkpoint(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(BadFile, match="something that is no regular file"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("accuracy", 1.5),
        ("accuracy", 10**400),
        ("target_latency_s", 0),
        ("predicted_latency_s", -1),
        ("macs", 2**70),
        ("architecture", [-1]),
        ("seconds", {"search": -1}),
        ("files", {"architecture": "../../elsewhere.json"}),
        ("files", {"elsewhere": "architecture.json"}),
        ("name", "\ud800"),
    ],
)
def test_a_result_out_of_range_is_refused(found: Path, field: str, value: object) -> None:
    path = found / FILES["result"]
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(BadFile, match=r"result\.json: expected a search result, but found "):
        load_record(SearchResult, path)


def test_records_that_are_no_files_are_not_waited_for(tmp_path: Path) -> None:
    for name in ("recipe.json", BASELINES_FILE, CONSTRAINTS_FILE, "deep.json"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(BadFile, match="FIFO"):
        load_record(Recipe, tmp_path / "recipe.json")
    with pytest.raises(BadFile, match="the baselines of a search, but found a FIFO"):
        Baselines.load(tmp_path)


@pytest.mark.parametrize("name", ["../x", "a/b", "x" * 300, "nul\0", ""])
def test_names_in_records_are_no_paths(tmp_path: Path, name: str) -> None:
    record = {"name": name, "kind": "random", "accuracy": 0.5, "predicted_latency_s": 1, "macs": 1, "parameters": 1}
    document = {"records": [{**record, "architecture": [0], "seconds": {}}]}
    (tmp_path / BASELINES_FILE).write_text(json.dumps(document))
    with pytest.raises(BadFile, match="expected a baseline's name made of letters"):
        Baselines.load(tmp_path)
    member = {"name": name, "target": "here/onnxruntime", "target_latency_s": 1e-3}
    (tmp_path / "series.json").write_text(json.dumps({"name": "s", "members": [member]}))
    with pytest.raises(BadFile, match="expected a search's name made of letters"):
        Series.load(tmp_path / "series.json")
    (tmp_path / "series.json").write_text(json.dumps({"name": name, "members": []}))
    with pytest.raises(BadFile, match="expected a search's name made of letters"):
        Series.load(tmp_path / "series.json")
    assert series_named(Workspace.init(tmp_path / "w"), name) is None


@pytest.mark.parametrize(
    "document",
    [
        "[]",
        '{"macs": 3}',
        '{"macs": {"most": 1e400}}',
        '{"macs": {"most": "x"}}',
        '{"macs": {"most": 1, "rows": [[1]], "base": 0}}',
        '{"macs": {"most": 1, "rows": [[1, 2, 3, 4, 5], [1, 2, 3, 4, "x"]], "base": 0}}',
        '{"macs": {"most": 1, "rows": [[1, 2, 3, 4, 5], [1, 2, 3, 4, -5]], "base": 0}}',
        '{"macs": {"most": 1, "rows": [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]}}',
        '{"macs": ' + "[" * 100_000,
    ],
)
def test_limits_that_do_not_fit_the_space_are_refused(mini_space: Space, tmp_path: Path, document: str) -> None:
    (tmp_path / CONSTRAINTS_FILE).write_text(document)
    with pytest.raises(BadFile, match=r"limits\.json: expected constraints of a search"):
        load_constraints(tmp_path / CONSTRAINTS_FILE, mini_space)


def test_a_network_larger_than_its_weights_is_not_built(found: Path, tmp_path: Path) -> None:
    path = found / FILES["weights"]
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(BadFile, match=r"the weights of architecture\.json, but found fewer than its \d+ parameters"):
        load_network(found)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(BadFile, match="something that is no regular file"):
        load_network(found)


def test_a_broken_history_does_not_end_a_comparison_in_a_traceback(found: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(found, tmp_path / "other"))
    assert differences(found, other) == ()
    (other / FILES["history"]).write_text('{"search": NaN}')
    with pytest.raises(BadFile, match="the history of a search, but found NaN is no JSON number"):
        differences(found, other)
