"""Errors report what was expected, what was found and what to do; earlier files are unchanged."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from latkit._io import atomic
from latkit.errors import BadFile, DiskFull, LatkitError, OutOfMemory, TargetOutOfReach, UsageError
from latkit.search import Problem, SearchSettings, load_data, run_search
from latkit.search.data import ArrayImages, DataSplit, make_split
from latkit.search.records.checkpoint import load_checkpoint
from latkit.search.records.search_dir import SearchFolder
from latkit.search.training.nan_guard import LossWatch, check_weights
from latkit.search.training.resource_errors import NO_ROUTINE, translate_resource_errors
from latkit.search.training.runtime_env import fabric_of
from latkit.spaces import Space, load_space_file
from latkit.tables import LatencyTable
from tests.forking import Forks
from tests.search.conftest import MINI_SPACE, Tables, brief, middle_s
from tests.search.data.test_data import idx, write_folder, write_idx

BRIEF = brief(epochs=2, workers=0)


class At:
    """Progress that does something once, after a number of steps of a phase."""

    def __init__(self, phase: str, step: int, what: Callable[[], object]) -> None:
        self.when = (phase, step)
        self.what = what

    def advance(self, phase: str, done: int, total: int, text: str) -> None:
        assert done <= total, text
        if (phase, done) == self.when:
            self.what()


def stop() -> None:
    raise KeyboardInterrupt


def interrupted(
    space: Space, table: LatencyTable, data: DataSplit, folder: Path, settings: SearchSettings = BRIEF
) -> Path:
    """A search that stopped after its first epoch; its checkpoint."""
    with pytest.raises(KeyboardInterrupt):
        run_search(Problem(space, table, data, middle_s(table), settings), folder, At("search", 7, stop))
    return folder / "checkpoint.pt"


# latency


def test_targets_that_all_or_none_meet_are_refused_with_the_range(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    table, folder = table_of(mini_space), tmp_path / "found"
    range_ms = f"from {table.fastest() * 1e3:.4g} to {table.slowest() * 1e3:.4g} ms"
    with pytest.raises(TargetOutOfReach, match=f"can reach .* found {table.fastest() * 900:.4g} ms; .* {range_ms}"):
        run_search(Problem(mini_space, table, stripes_data, table.fastest() * 0.9, BRIEF), folder)
    with pytest.raises(TargetOutOfReach, match=f"which all of them meet: they take {range_ms}.* penalty=none"):
        run_search(Problem(mini_space, table, stripes_data, table.slowest() * 1.1, BRIEF), folder)
    for nonsense in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="expected a latency target of more than 0 ms"):
            run_search(Problem(mini_space, table, stripes_data, nonsense, BRIEF), folder)
    assert not folder.exists()


def test_a_target_in_a_gap_between_networks_is_refused_with_the_nearest_below(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    table, folder = table_of(mini_space), tmp_path / "found"
    every_s = sorted({table.total(path) for path in itertools.product(range(5), repeat=2)})
    below_s, above_s = next((one, other) for one, other in itertools.pairwise(every_s) if other > 1.2 * one)
    message = (
        rf"found {(target_s := 1.1 * below_s) * 1e3:.4g} ms: none takes .* below that takes {below_s * 1e3:.4g} ms"
    )
    assert 1.01 * target_s < above_s
    with pytest.raises(TargetOutOfReach, match=message):
        run_search(Problem(mini_space, table, stripes_data, target_s, BRIEF), folder)
    assert not folder.exists()


# images


def write_npz(path: Path, train: list[int], test: list[int]) -> str:
    arrays = {}
    for part, labels in (("train", train), ("test", test)):
        arrays |= {f"{part}_images": np.zeros((len(labels), 8, 8), np.uint8), f"{part}_labels": np.array(labels)}
    np.savez(path, **arrays)
    return str(path)


def test_arrays_of_one_class_or_without_a_class_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="at least 2 classes, but found one class"):
        load_data(write_npz(tmp_path / "one.npz", [0] * 9, [0]), 8)
    with pytest.raises(
        UsageError, match=r"data gap: expected training images of each .* 4 classes, .* none of '1', '2'"
    ):
        load_data(write_npz(tmp_path / "gap.npz", [0, 3] * 5, [0, 1]), 8)
    with pytest.raises(BadFile, match="the 2 classes of train_labels, but found label 2"):
        load_data(write_npz(tmp_path / "more.npz", [0, 1] * 5, [2]), 8)


def test_idx_files_of_one_class_are_refused(tmp_path: Path) -> None:
    write_idx(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(10)))
    with pytest.raises(BadFile, match="at least 2 classes, but found one class"):
        load_data(f"idx:{tmp_path}", 8)


def test_folders_of_one_class_or_with_an_empty_one_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "train" / "diagonal").mkdir()
    with pytest.raises(UsageError, match=r"of each of its 3 classes, but found none of 'diagonal'; add some"):
        load_data(str(tmp_path), 8)
    for part in ("train", "test"):
        for name in ("along", "diagonal"):
            shutil.rmtree(tmp_path / part / name, ignore_errors=True)
    with pytest.raises(BadFile, match="a folder for each of at least 2 classes, but found 1"):
        load_data(str(tmp_path), 8)


def test_hub_datasets_of_one_class_or_with_broken_images_are_refused(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")

    def saved(name: str, names: list[str], train: list[int], test: list[int], last: object = None) -> str:
        features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=names)})
        parts = {}
        for part, labels in (("train", train), ("test", test)):
            images = [Image.new("L", (8, 8))] * (len(labels) - 1)
            rows = {"image": [*images, last or Image.new("L", (8, 8))], "label": labels}
            parts[part] = datasets.Dataset.from_dict(rows, features=features)
        datasets.DatasetDict(parts).save_to_disk(tmp_path / name)
        return f"hf:{tmp_path / name}"

    broken = saved("broken", ["a", "b"], [0, 1, 1], [0], {"bytes": b"no picture", "path": None})
    with pytest.raises(BadFile, match=r"broken, image 2: expected an image, but found"):
        load_data(broken, 8)
    with pytest.raises(UsageError, match="data one: expected at least 2 classes, but found 1"):
        load_data(saved("one", ["a"], [0, 0], [0]), 8)
    with pytest.raises(UsageError, match=r"data lacking: .* found none of 'b'"):
        load_data(saved("lacking", ["a", "b"], [0, 0], [0]), 8)
    with pytest.raises(UsageError, match="data unlabeled: expected test labels from 0 to 1, but found label -1"):
        load_data(saved("unlabeled", ["a", "b"], [0, 1], [-1]), 8)


def test_images_given_in_python_are_checked_alike() -> None:
    def images(labels: list[int]) -> ArrayImages:
        return ArrayImages(torch.zeros(len(labels), 1, 8, 8, dtype=torch.uint8), torch.tensor(labels))

    with pytest.raises(UsageError, match="data mine: expected train labels from 0 to 1, but found label 2"):
        make_split("mine", images([0, 1, 2]), images([0]), ["a", "b"])
    with pytest.raises(UsageError, match="data mine: expected images to test on, but found none"):
        make_split("mine", images([0, 1]), images([]), ["a", "b"])


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("content", [b"", b"no picture", "half"])
def test_a_broken_image_is_found_before_the_search(tmp_path: Path, part: str, content: bytes | str) -> None:
    write_folder(tmp_path)
    broken = sorted((tmp_path / part / "along").iterdir())[1]
    intact = broken.read_bytes()
    broken.write_bytes(content if isinstance(content, bytes) else intact[: len(intact) // 2])
    with pytest.raises(BadFile, match=rf"{broken}: expected an image, but found .*; replace or remove it"):
        load_data(str(tmp_path), 8, 1)


def test_a_corrupt_image_stops_a_search_that_can_then_be_resumed(
    mini_space: Space, table_of: Tables, tmp_path: Path
) -> None:
    table = table_of(mini_space)
    data = load_data(str(write_folder(tmp_path / "images", 48)), 8, 1)
    broken = sorted((tmp_path / "images" / "train" / "along").iterdir())[1]
    picture = broken.read_bytes()
    undisturbed, folder = tmp_path / "undisturbed" / "net", tmp_path / "net"
    run_search(Problem(mini_space, table, data, middle_s(table), BRIEF), undisturbed)
    spoil = At("search", 4, lambda: broken.write_bytes(b"no picture"))
    with pytest.raises(BadFile, match=f"{broken}: expected an image, but found"):
        run_search(Problem(mini_space, table, data, middle_s(table), BRIEF), folder, spoil)
    broken.write_bytes(picture)
    run_search(Problem(mini_space, table, data, middle_s(table), BRIEF), folder, resume=True)
    one, other = (load_file(path / "weights.safetensors") for path in (folder, undisturbed))
    assert all(torch.equal(one[name], other[name]) for name in other)


# numbers that are none


def test_a_loss_that_is_no_number_names_its_step_and_keeps_the_checkpoint(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    table, folder = table_of(mini_space), tmp_path / "found"
    wild = BRIEF.model_copy(
        update={"weight_learning_rate": 1e30, "ramp_share": 0.0, "warmup_epochs": 0, "checkpoint_seconds": 1e-9}
    )
    expected = (
        r"search, step 2 \(epoch 1, step 2 of 6\): expected the (weight|architecture) step's loss to be a finite "
        r"number, but found (nan|inf); the checkpoint from before it is kept\. Begin another search with a lower "
        r"weight_learning_rate"
    )
    with pytest.raises(LatkitError, match=expected):
        run_search(Problem(mini_space, table, stripes_data, middle_s(table), wild), folder)
    assert load_checkpoint(folder / "checkpoint.pt")["step"] == 1
    wild = BRIEF.model_copy(update={"training_learning_rate": 1e30, "ramp_share": 0.0})
    with pytest.raises(LatkitError, match=r"training, step 2 .* the loss .* a lower training_learning_rate"):
        run_search(Problem(mini_space, table, stripes_data, middle_s(table), wild), tmp_path / "trained")
    assert load_checkpoint(tmp_path / "trained" / "checkpoint.pt")["stage"] == "training"
    assert not (tmp_path / "trained" / "result.json").exists()


def test_losses_on_an_accelerator_are_checked_in_batches() -> None:
    watch = LossWatch("training", 10, torch.device("cuda"))
    for step in range(20):
        watch.note(step, "the loss", torch.tensor(float("nan") if step >= 13 else 1.0))
    with pytest.raises(LatkitError, match=r"training, step 14 \(epoch 2, step 4 of 10\).* but found nan"):
        watch.check()
    watch = LossWatch("training", 10, torch.device("cuda"))
    for step in range(31):
        watch.note(step, "the loss", torch.tensor(float("inf")))
    with pytest.raises(LatkitError, match=r"training, step 1 \(epoch 1, step 1 of 10\).* but found inf"):
        watch.note(31, "the loss", torch.tensor(float("inf")))


def test_weights_that_are_nan_are_not_saved() -> None:
    check_weights([torch.ones(3), torch.tensor(7)], "search")
    for broken in (float("nan"), float("-inf")):
        with pytest.raises(LatkitError, match="search: expected weights that are finite numbers"):
            check_weights([torch.ones(3), torch.tensor([1.0, broken])], "search")


# memory and disk

HUNGRY = """
import pathlib, resource, sys
import lightning_fabric
import torch
from latkit.errors import OutOfMemory
from latkit.search import Problem, SearchSettings, run_search
from latkit.search.data import ArrayImages, make_split
from latkit.spaces import load_space_file
from latkit.tables import LatencyTable

folder = pathlib.Path(sys.argv[1])
space = load_space_file(folder / "mini.toml")
rows = [[op.macs * 1e-9 for op in layer.candidates] for layer in space.choice_layers]
table = LatencyTable.from_seconds(space.name, space.key, rows, base_s=1e-6)
images = ArrayImages(torch.zeros(40_000, 1, 8, 8, dtype=torch.uint8), torch.arange(40_000) % 2)
data = make_split("zeros", images, images, ["a", "b"])
settings = SearchSettings.quick(batch_size=20_000, epochs=1, warmup_epochs=0)
used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26))
try:
    target_s = float(table.lookup(torch.tensor((1, 4))))
    run_search(Problem(space, table, data, target_s, settings), folder / "found")
except OutOfMemory as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory that the system keeps")
def test_a_search_without_memory_says_what_helps(tmp_path: Path, forked: Forks) -> None:
    (tmp_path / "mini.toml").write_text(MINI_SPACE)
    done = forked.run("-c", HUNGRY, tmp_path, env={"OMP_NUM_THREADS": "1"})
    assert "found: expected enough memory for the search, but found: " in done.stdout, done.stderr[-2000:]
    phrases = "allocate memory", "not enough memory", NO_ROUTINE  # whatever is asked for first
    assert any(phrase in done.stdout for phrase in phrases), done.stdout
    assert "a batch_size below 20000 and a training_batch_size below 64, or with precision=bf16-mixed" in done.stdout


def test_out_of_memory_errors_of_an_accelerator_are_distinguished_from_others(tmp_path: Path) -> None:
    lean = BRIEF.model_copy(update={"precision": "bf16-mixed", "checkpointing": True})
    with (
        pytest.raises(OutOfMemory, match=r"continue with --resume\. Else .* training_batch_size below 16$"),
        translate_resource_errors(tmp_path, lean),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    with (
        pytest.raises(OutOfMemory, match=r"--resume; where not, with checkpointing=true besides\. Else begin another"),
        translate_resource_errors(tmp_path, BRIEF),
    ):
        raise MemoryError
    killed = "DataLoader worker (pid 7) is killed by signal: "
    with (
        pytest.raises(OutOfMemory, match=r"signal: Killed.* --resume; where not"),
        translate_resource_errors(tmp_path, BRIEF),
    ):
        raise RuntimeError(f"{killed}Killed.")
    with pytest.raises(OutOfMemory, match="--resume and workers=0"), translate_resource_errors(tmp_path, BRIEF):
        raise RuntimeError(f"{killed}Bus error. It is possible that dataloader's workers are out of shared memory.")
    with pytest.raises(OutOfMemory, match=f"found: {NO_ROUTINE}. The last"), translate_resource_errors(tmp_path, BRIEF):
        raise RuntimeError(f"{NO_ROUTINE}\n")
    for other in ("something else", f"{NO_ROUTINE} descriptor for a convolution"):
        with pytest.raises(RuntimeError, match=other), translate_resource_errors(tmp_path, BRIEF):
            raise RuntimeError(other)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file system that is always full")
def test_a_full_disk_leaves_the_old_checkpoint(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, folder = table_of(mini_space), tmp_path / "found"
    before = interrupted(mini_space, table, stripes_data, folder).read_bytes()
    create = atomic._create

    def on_a_full_disk(place: Path) -> Path:
        if place.name != "checkpoint.pt":
            return create(place)
        temporary = folder / "temporary"
        temporary.symlink_to("/dev/full")
        return temporary

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_create", on_a_full_disk)
        with pytest.raises(DiskFull, match=rf"{folder}: expected room for .*, but the disk is full; .* --resume"):
            run_search(Problem(mini_space, table, stripes_data, middle_s(table), BRIEF), folder, resume=True)
    assert (folder / "checkpoint.pt").read_bytes() == before
    assert not (folder / "temporary").is_symlink()
    run_search(Problem(mini_space, table, stripes_data, middle_s(table), BRIEF), folder, resume=True)


def test_a_folder_that_cannot_be_written_is_reported(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    table = table_of(mini_space)
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "found", Path("/dev/null/found")):
        with pytest.raises(UsageError, match=rf"{place}: expected a folder"):
            run_search(Problem(mini_space, table, stripes_data, middle_s(table), BRIEF), place)


# checkpoints


def test_a_checkpoint_of_another_search_is_refused_and_stays(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    table = table_of(mini_space)
    path = interrupted(mini_space, table, stripes_data, tmp_path / "found")
    (tmp_path / "other.toml").write_text(MINI_SPACE.replace('"mini"', '"other"').replace("repeat = 2", "repeat = 3"))
    other = load_space_file(tmp_path / "other.toml")
    other_checkpoint = interrupted(other, table_of(other), stripes_data, tmp_path / "other").read_bytes()
    slower = LatencyTable.from_seconds("mini", mini_space.key, (2 * table.seconds).tolist(), base_s=1e-6)
    slow = interrupted(mini_space, slower, stripes_data, tmp_path / "slow").read_bytes()
    seeded = interrupted(mini_space, table, stripes_data, tmp_path / "seeded", BRIEF.model_copy(update={"seed": 1}))
    for content, message in (
        (other_checkpoint, "with space 'mini', but found another search's, with 'other'"),
        (slow, "with table_sha256"),
        (seeded.read_bytes(), "with sha256"),
    ):
        path.write_bytes(content)
        with pytest.raises(BadFile, match=f"checkpoint.pt: expected a checkpoint of this search, .*{message}"):
            run_search(
                Problem(mini_space, table, stripes_data, middle_s(table), BRIEF), tmp_path / "found", resume=True
            )
        assert path.read_bytes() == content


def test_a_damaged_checkpoint_is_refused(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    table, folder = table_of(mini_space), tmp_path / "found"
    path = interrupted(mini_space, table, stripes_data, folder)
    intact = path.read_bytes()
    middle = len(intact) // 2
    damaged = [intact[:cut] for cut in (0, 10, middle, len(intact) - 1)]
    damaged.append(
        intact[:middle] + bytes(byte ^ 0xFF for byte in intact[middle : middle + 2000]) + intact[middle + 2000 :]
    )
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(BadFile, match=r"checkpoint\.pt: expected a checkpoint of a search"):
            run_search(Problem(mini_space, table, stripes_data, middle_s(table), BRIEF), folder, resume=True)
        assert path.read_bytes() == content


# machines


def test_processes_that_were_given_different_searches_report_it(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_of(mini_space)
    first, here = (
        Problem(mini_space, table, stripes_data, middle_s(table), brief(seed=seed)).recipe() for seed in (3, 4)
    )
    monkeypatch.setattr(
        "latkit.search.records.run_dir.broadcast_from_main", lambda *_given: first.model_dump_json().encode()
    )
    folder = SearchFolder(tmp_path, fabric_of(BRIEF))
    folder.check_alike(first)
    with pytest.raises(UsageError, match=r"in every process, but found settings\.seed 4 where the first one has 3"):
        folder.check_alike(here)


def test_a_gpu_without_double_precision_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Apple's, which is not available here: an error when it is requested, ignored when it merely exists."""
    with pytest.raises(UsageError, match="double precision, such as cpu or cuda, but found mps"):
        fabric_of(brief(accelerator="mps"))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert fabric_of(brief(accelerator="auto")).device.type == "cpu"
