"""A full disk, a read-only workspace and too few open files: one line, nothing half written and nothing lost."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import QUICK
from tests.forking import Forks

TARGET = "here/onnxruntime"
ROOM_BYTES = 8 * 2**20
TABLE = "Conv-input:224x224x3-output:112x112x32: {mean: 1.5}\n"


@pytest.fixture(scope="module")
def mounted(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the workspace on a small disk of its own. Skips if none can be mounted."""
    place = tmp_path_factory.mktemp("disk")
    mount = shutil.which("mount")
    arguments = [str(mount), "-t", "tmpfs", "-o", f"size={ROOM_BYTES}", "latkit-test", str(place)]
    if mount is None or subprocess.run(arguments, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        (place.parent / "table.yaml").write_text(TABLE)
        copy = Path(shutil.copytree(folder, place / "workspace", ignore=shutil.ignore_patterns("search")))
        (copy / "search").mkdir()  # other tests leave reports of megabytes there
        yield copy
    finally:
        subprocess.run(["umount", str(place)], check=False)


@pytest.fixture
def full(mounted: Path) -> Iterator[Path]:
    """The workspace on a disk without any room."""
    filler = mounted.parent / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (2**16, 512):
            while _written(file.fileno(), size):
                pass
    yield mounted
    filler.unlink()


@pytest.fixture
def read_only(mounted: Path) -> Iterator[Path]:
    """The workspace on a read-only disk."""
    subprocess.run(["mount", "-o", "remount,ro", str(mounted.parent)], check=True)
    yield mounted
    subprocess.run(["mount", "-o", "remount,rw", str(mounted.parent)], check=True)


def _written(handle: int, size: int) -> bool:
    try:
        return os.write(handle, bytes(size)) == size
    except OSError:
        return False


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def commands(workspace: Path) -> list[list[object]]:
    space: list[object] = ["--space", workspace / "small.toml"]
    return [
        ["fit", TARGET, *space],
        ["validate", TARGET, *space, "--networks", 2, *QUICK],
        ["table", "export", TARGET, *space, "-o", workspace / "t.json"],
        ["table", "export", TARGET, *space, "-o", workspace / "t.safetensors"],
        ["table", "export", TARGET, *space, "-o", workspace / "t.yaml"],
        ["table", "import", workspace.parents[1] / "table.yaml", "--device", "phone"],
        ["measurements", "export", TARGET, "-o", workspace / "m.parquet"],
        ["report", "-o", workspace / "r.html"],
    ]


def check_refused(latkit, workspace: Path, phrase: str) -> None:
    before = contents(workspace)
    for arguments in commands(workspace):
        code, out, err = latkit("-C", workspace, *arguments)
        assert (code, out) == (1, ""), (arguments, err)
        lines = [line for line in err.splitlines() if not line.startswith("left out: ")]
        assert len(lines) == 1, err
        assert lines[0].startswith("error: "), err
        assert phrase in lines[0]
        assert contents(workspace) == before, arguments


def test_a_full_disk(latkit, full: Path) -> None:
    check_refused(latkit, full, "but the disk is full")


def test_a_read_only_workspace(latkit, read_only: Path) -> None:
    check_refused(latkit, read_only, "Read-only file system")


@pytest.mark.slow
@pytest.mark.parametrize("limit", [6, 10, 20])
def test_too_few_open_files(folder: Path, tmp_path: Path, limit: int, forked: Forks) -> None:
    before = contents(folder)
    program = (
        "import resource, sys\n"
        "import latkit.cli, latkit.cli.app, latkit.cli.entry, latkit.workspace, latkit.tables, polars\n"
        "limits = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, limits[1]))\n"
        f"sys.argv = ['latkit', '-C', {str(folder)!r}, 'measurements', 'export', {TARGET!r}, '-o', "
        f"{str(tmp_path / 'm.parquet')!r}]\n"
        "try:\n"
        "    latkit.cli.main()\n"
        "finally:\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, limits)\n"  # for the libraries that clear up at the end
    )
    done = forked.run("-c", program)
    assert "Traceback" not in done.stderr
    assert "fault of latkit" not in done.stderr, done.stderr
    assert contents(folder) == before
    if done.returncode:
        (line,) = done.stderr.strip().splitlines()
        assert "ulimit -n" in line
        assert not list(tmp_path.iterdir())
    else:
        assert {path.name for path in tmp_path.iterdir()} == {"m.parquet", "m.md"}
