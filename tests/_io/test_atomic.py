"""Files that appear completely or not at all: on a full disk, with two writers, next to links of other users."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from latkit._io import atomic_move, atomic_write, remove_temporary, write_text
from latkit.errors import DiskFull, WriteError
from latkit.evaluation.cross_table import CROSS_FILE, CrossTable
from latkit.evaluation.validation import MeasuredNetwork, NetworkResult, Validation
from latkit.layout.series import SERIES_FILE, Series
from latkit.measurements import write_parquet
from latkit.ops import make_op
from latkit.search.objectives.constraints import Constraint, save_constraints
from latkit.search.records.recipe import DataFacts
from latkit.spaces import ChainSpace, Layer
from latkit.tables import LatencyTable
from latkit.targets import Target
from tests.builders import conv, make_measurement, network_of
from tests.waiting import PATIENCE_S

ROOM_BYTES = 32
"""Less than the size of any of the records."""

RESULT = NetworkResult(name="n", key="k", architecture=[], predicted_ms=1, low_ms=1, high_ms=1, first_ms=1, second_ms=1)
NUMBERS = {name: 1.0 for name, field in Validation.model_fields.items() if "float" in str(field.annotation)}
VALIDATION = Validation(
    target="t", space="s", model="m", networks=1, calibration_networks=0, left_out=[], results=[RESULT], **NUMBERS
)
DATA = DataFacts(
    name="d",
    training_images=1,
    test_images=1,
    class_names=("a", "b"),
    shape=(1, 8, 8),
    mean=(0.0,),
    std=(1.0,),
    sha256="0",
)
SPACE = ChainSpace("s", (Layer("only", (conv(8), make_op("conv", (8, 8, 8), out_channels=8, kernel=5))),))
TABLE = LatencyTable.from_seconds(SPACE.name, SPACE.key, [[1.0, 2.0]], 1.0)

RECORDS: dict[str, Callable[[Path], object]] = {
    SERIES_FILE: lambda path: Series.plan("x", [Target("here", "tflite")], [1e-3]).save(path.parent),
    CROSS_FILE: lambda path: CrossTable(name="x", targets=(), rows=()).save(path.parent),
    "measured.json": MeasuredNetwork(target="t", model="m", network=RESULT).save,
    "validation.json": VALIDATION.save,
    "recipe-part.json": DATA.save,
    "network.json": network_of(conv(8)).save,
    "space.json": SPACE.save,
    "table.json": TABLE.save,
    "table.safetensors": TABLE.save,
    "limits.json": lambda path: save_constraints([Constraint("macs", TABLE, 1.0)], path),
    "measured.parquet": lambda path: write_parquet([make_measurement(conv(8), 1000)], path, "card"),
}


@contextmanager
def hardly_any_room() -> Iterator[None]:
    """Within, the system stops writing a file in the middle of it.

    No module is compiled meanwhile: Python 3.11 does not notice that its file is cut short.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_is_written_in_part_leaves_the_one_before(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("as it was")
    with hardly_any_room(), pytest.raises(WriteError, match="File too large"):
        RECORDS[name](path)
    assert path.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [path]
    RECORDS[name](path)
    assert path.stat().st_size > ROOM_BYTES


def test_a_full_disk_is_named_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("as it was")
    no_room = OSError(errno.ENOSPC, "No space left on device")
    for raised in (no_room, ValueError("I/O error (os error 28)"), OSError("x (os error 28)")):
        with pytest.raises(DiskFull, match="the disk is full"), atomic_write(path):
            raise raised
    assert [path.read_text(), *tmp_path.iterdir()] == ["as it was", path]


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="No such file or directory"):
        write_text(tmp_path / "absent" / "record.json", "new")


def test_permissions_stay_and_new_files_follow_the_umask(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("as it was")
    old.chmod(0o640)
    before = os.umask(0o027)
    try:
        write_text(old, "new")
        write_text(new, "new")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (old, new)] == [0o640, 0o640]


def test_a_library_that_writes_beside_its_file_leaves_one_complete_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("as it was")

    def write(made: Path) -> None:
        made.write_text("in part")
        made.with_name("other").write_text("beside it")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskFull), atomic_move(path) as made:
        write(made)
    assert [path.read_text(), *tmp_path.iterdir()] == ["as it was", path]
    with atomic_move(path, "other-name", mode=0o600) as made:
        assert (made.name, stat.S_IMODE(made.parent.stat().st_mode)) == ("other-name", 0o700)
        made.write_text("new")
        made.with_name("other").write_text("beside it")
    assert [path.read_text(), *tmp_path.iterdir()] == ["new", path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(WriteError, match="No such file or directory"), atomic_move(tmp_path / "absent" / "key"):
        pass


def test_no_link_of_others_is_followed(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "record.json"
    victim.write_text("theirs")
    path.symlink_to(victim)
    path.with_name("record.json.unfinished").symlink_to(victim)
    write_text(path, "ours")
    assert (victim.read_text(), path.read_text()) == ("theirs", "ours")
    assert not path.is_symlink()


def test_a_file_that_may_not_be_replaced_is_not(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("as it was")
    with pytest.raises(FileExistsError), atomic_write(path, replace=False) as temporary:
        temporary.write_text("new")
    assert [path.read_text(), *tmp_path.iterdir()] == ["as it was", path]


WRITER = """
import sys
from pathlib import Path
from latkit._io import write_text
while True:
    write_text(sys.argv[1], sys.argv[2] * 200_000)
"""


def test_two_writers_of_one_file_leave_a_complete_one(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_text(path, "a" * 200_000)
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, letter]) for letter in "ab"]
    observed = set()
    try:
        deadline = time.monotonic() + 2 * PATIENCE_S
        while (len(observed) < 2 or len(list(tmp_path.iterdir())) < 2) and time.monotonic() < deadline:
            content = path.read_text()
            assert len(content) == 200_000
            assert content == content[0] * 200_000
            observed.add(content[0])
        assert all(writer.poll() is None for writer in writers), "no writer fails"
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert observed == {"a", "b"}


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    folder, killed = tmp_path / "folder", tmp_path / "killed"
    folder.mkdir()
    kept = {".git", ".DS_Store", ".notes-2026.txt", "c.json", ".write-up"}
    for name in kept:
        (folder / name).write_text("of the user")
    with atomic_move(folder / "a.json") as moved, atomic_write(folder / "b.tar.gz") as written:
        moved.write_text("half")
        left = {moved.parent.name, written.name, *(path.name for path in folder.glob(".a-*"))}
        shutil.copytree(folder, killed)
    assert {path.name for path in killed.iterdir()} == kept | left
    assert len(left) == 3
    remove_temporary(killed)
    assert {path.name for path in killed.iterdir()} == kept
    remove_temporary(tmp_path / "missing")
