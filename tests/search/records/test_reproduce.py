from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from latkit.artifacts.export import export_module
from latkit.errors import BadFile, ExportError, UsageError
from latkit.runtimes.base import Runtime
from latkit.search import Problem, Recipe, SearchSettings, run_search
from latkit.search.data import DataSplit, load_data
from latkit.search.records.base import load_record
from latkit.search.records.reproduce import Supplied, differences, reproduce_search
from latkit.search.records.result import FILES
from latkit.spaces import Space
from latkit.tables import LatencyTable
from tests.search.conftest import Interrupt, Tables, brief, save_stripes, some_path_s
from tests.search.data.test_data import write_folder

SETTINGS = brief(crop_padding=2, flip=None)


@pytest.fixture
def stripes_file(tmp_path: Path) -> Path:
    path = tmp_path / "stripes.npz"
    save_stripes(path)
    return path


@pytest.fixture
def stripes_data(stripes_file: Path) -> DataSplit:
    """From a file that a test may change."""
    return load_data(str(stripes_file), 8, 1)


@pytest.fixture
def original(
    mini_space: Space, table_of: Callable[[Space], LatencyTable], stripes_data: DataSplit, tmp_path: Path
) -> Path:
    table, folder = table_of(mini_space), tmp_path / "original"
    target_s = float(table.lookup(torch.tensor((1, 4))))
    run_search(Problem(mini_space, table, stripes_data, target_s, SETTINGS), folder)
    return folder


def edited(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_search_is_reproduced_bit_exactly_from_its_folder(original: Path, tmp_path: Path) -> None:
    repetition = reproduce_search(original, tmp_path / "again")
    assert repetition.equal
    assert repetition.circumstances == ()
    assert repetition.folder.name == "again"
    with pytest.raises(UsageError, match="holds a finished search"):
        reproduce_search(original, tmp_path / "again")


def test_a_repetition_names_what_differs(original: Path, tmp_path: Path) -> None:
    """Another seed, which the recipe is made to deny, and another version of torch."""
    recipe = json.loads((original / FILES["recipe"]).read_text())
    edited(
        original / FILES["recipe"],
        settings={**recipe["settings"], "seed": 1},
        versions={**recipe["versions"], "torch": "1.0"},
        machine={**recipe["machine"], "processes": "2"},
    )
    repetition = reproduce_search(original, tmp_path / "again")
    assert {"history", "weights"} <= set(repetition.differing)
    assert not repetition.equal
    here = recipe["versions"]["torch"]
    assert repetition.circumstances == (f"version of torch: 1.0 then, {here} now", "processes: 2 then, 1 now")


def test_a_reproduction_reports_what_differed_during_the_search(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    """A search resumed with other sources of latkit than it began with, which no reproduction can do."""
    table, folder = table_of(mini_space), tmp_path / "moved"
    given = Problem(mini_space, table, stripes_data, some_path_s(table), SETTINGS), folder
    with pytest.raises(KeyboardInterrupt):
        run_search(*given, Interrupt(7))
    recipe = json.loads((folder / FILES["recipe"]).read_text())
    here = recipe["machine"]
    edited(folder / FILES["recipe"], machine={**here, "source": "of then"})
    run_search(*given, resume=True)
    saved_recipe = json.loads((folder / FILES["recipe"]).read_text())
    assert (saved_recipe["machine"]["source"], saved_recipe["went_on"]) == ("of then", [here])
    repetition = reproduce_search(folder, tmp_path / "again")
    change = f"source: of then then, {here['source']} now"
    assert repetition.circumstances == (change, f"on the way, {change}")


def test_a_finished_search_is_read_by_other_versions_and_an_unfinished_one_is_not(
    original: Path, mini_space: Space, table_of: Tables, stripes_data: DataSplit
) -> None:
    table = table_of(mini_space)
    versions = json.loads((original / FILES["recipe"]).read_text())["versions"]
    edited(original / FILES["recipe"], versions={**versions, "torch": "1.0"})
    given = Problem(mini_space, table, stripes_data, some_path_s(table), SETTINGS), original
    found = run_search(*given, resume=True)
    assert found.score == json.loads((original / FILES["result"]).read_text())["accuracy"]
    (original / FILES["result"]).unlink()
    with pytest.raises(UsageError, match=r"expected versions\.torch to be '1\.0' as in the search to be resumed"):
        run_search(*given, resume=True)


def test_a_search_that_cannot_be_reproduced_is_reported_beforehand(
    original: Path, stripes_file: Path, stripes_data: DataSplit, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    recipe = json.loads((original / FILES["recipe"]).read_text())
    edited(original / FILES["recipe"], data={**recipe["data"], "training_images": 95})
    with pytest.raises(UsageError, match=r"expected training_images to be 95 as in the recipe .* but found 96"):
        reproduce_search(original, again)
    edited(original / FILES["recipe"], data={**recipe["data"], "source": ""})
    with pytest.raises(UsageError, match="the recipe does not say where data stripes comes from"):
        reproduce_search(original, again)
    stripes_file.unlink()
    edited(original / FILES["recipe"], data=recipe["data"])
    with pytest.raises(BadFile, match="no such file"):
        reproduce_search(original, again)
    edited(original / FILES["recipe"], table_sha256="0")
    with pytest.raises(BadFile, match="the table of the search's recipe"):
        reproduce_search(original, again, supplied=Supplied(stripes_data))
    edited(
        original / FILES["recipe"],
        table_sha256=recipe["table_sha256"],
        teacher={"network_key": "k", "weights_sha256": "w"},
    )
    with pytest.raises(UsageError, match="expected the teacher that its recipe names, but found none"):
        reproduce_search(original, again, supplied=Supplied(stripes_data))
    (original / FILES["result"]).unlink()
    with pytest.raises(UsageError, match="found an unfinished one; resume it first"):
        reproduce_search(original, again)
    assert not again.exists()


def test_other_images_or_labels_are_refused(
    original: Path, mini_space: Space, table_of: Tables, stripes_file: Path, tmp_path: Path
) -> None:
    """A flipped training label and a changed pixel of a test image: counts, classes and mean stay the same."""
    table = table_of(mini_space)
    arrays = dict(np.load(stripes_file))
    for name in ("train_labels", "test_images"):
        changed = {**arrays, name: arrays[name].copy()}
        changed[name].flat[0] ^= 1
        np.savez(stripes_file, **changed)
        with pytest.raises(UsageError, match=r"expected sha256 to be .* the images or their labels are not what"):
            reproduce_search(original, tmp_path / "again")
        other = load_data(str(stripes_file), 8, 1)
        with pytest.raises(UsageError, match=r"expected data\.sha256 to be .* as in the search to be resumed"):
            run_search(Problem(mini_space, table, other, some_path_s(table), SETTINGS), original, resume=True)


def test_image_files_that_were_exchanged_are_refused(mini_space: Space, table_of: Tables, tmp_path: Path) -> None:
    table, images = table_of(mini_space), write_folder(tmp_path / "images", 40)
    data = load_data(str(images), 8, 1)
    original = tmp_path / "original"
    run_search(
        Problem(mini_space, table, data, some_path_s(table), SETTINGS.model_copy(update={"workers": 0})), original
    )
    picture = min((images / "test" / "along").iterdir())
    Image.new("L", (8, 8)).save(picture)
    with pytest.raises(UsageError, match="expected file_bytes to be"):
        reproduce_search(original, tmp_path / "again")
    picture.rename(picture.with_name("renamed.png"))
    with pytest.raises(UsageError, match="expected sha256 to be"):
        reproduce_search(original, tmp_path / "again")


@pytest.mark.slow
def test_remedies_can_be_applied_during_a_search_and_a_reproduction_applies_them_too(
    original: Path, mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    """A search that ran out of time and memory, then met a failing export, finds what an undisturbed one does."""
    table, folder = table_of(mini_space), tmp_path / "net"
    failing = SETTINGS.model_copy(update={"export_tflite": True})
    lean = failing.model_copy(update={"checkpointing": True, "workers": 0, "checkpoint_seconds": 7.0})
    mended = lean.model_copy(update={"export_tflite": False})

    def go_on(settings: SearchSettings, resume: bool = True, progress: Interrupt | None = None) -> None:
        run_search(Problem(mini_space, table, stripes_data, some_path_s(table), settings), folder, progress, resume)

    def fails(runtime: Runtime, *module: Any) -> None:
        if runtime.name == "tflite":
            raise ExportError("no converter for this")
        export_module(runtime, *module)

    with pytest.raises(KeyboardInterrupt):
        go_on(failing, resume=False, progress=Interrupt(7))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("latkit.search.training.exports.export_module", fails)
        patch.setattr("latkit.search.training.exports.compare", lambda *_given: None)
        with pytest.raises(ExportError, match="no converter"):
            go_on(lean)
    with pytest.raises(UsageError, match=r"expected settings\.seed to be 0 as in the search to be resumed"):
        go_on(mended.model_copy(update={"seed": 3}))
    go_on(mended)
    assert differences(original, folder) == ()
    assert load_record(Recipe, folder / FILES["recipe"]).settings == mended
    repetition = reproduce_search(folder, tmp_path / "again")
    assert (repetition.differing, repetition.circumstances) == ((), ())


def test_every_difference_is_found(original: Path, tmp_path: Path) -> None:
    other = tmp_path / "again"
    reproduce_search(original, other)
    assert differences(original, other) == ()
    result = json.loads((other / FILES["result"]).read_text())
    edited(other / FILES["result"], accuracy=result["accuracy"] + 1e-9, architecture=[4, 4])
    history = json.loads((other / FILES["history"]).read_text())
    history["search"][0]["weight_loss"] += 1e-12
    edited(other / FILES["history"], **history)
    assert differences(original, other) == ("architecture", "accuracy", "history")
