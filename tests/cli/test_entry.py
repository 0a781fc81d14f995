"""The last exception handler: every error is one line, and a fault of latkit's own leaves its traceback in a file."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from latkit.cli import entry
from latkit.errors import ExportError

Fail = Callable[[BaseException], None]


class PanicException(BaseException):  # pyo3 raises an exception of this name, which is no Exception
    """A library in Rust panicked."""


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fail:
    """Makes the command line raise an error."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("LATKIT_VERBOSE", raising=False)

    def make(error: BaseException) -> None:
        def app(**_: object) -> None:
            raise error

        monkeypatch.setattr(entry, "app", app)

    return make


@pytest.mark.parametrize(
    "error", [TypeError("bad \x1b[2J\nsecond line"), PanicException("None"), RecursionError("deep")]
)
def test_a_fault_of_our_own_is_one_line_and_a_file(error: BaseException, fail: Fail, capsys, tmp_path: Path) -> None:
    fail(error)
    with pytest.raises(SystemExit, match="1"):
        entry.run()
    err = capsys.readouterr().err
    (traceback_file,) = tmp_path.iterdir()
    assert len(err.splitlines()) == 1
    assert "\x1b" not in err
    assert str(traceback_file) in err
    assert f"{type(error).__name__}: " in traceback_file.read_text()
    assert "Traceback" in traceback_file.read_text()


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (errno.ENOSPC, "error: expected room for x, but the disk is full; what was written before is kept"),
        (errno.EROFS, "error: could not write x: Read-only file system"),
        (errno.EMFILE, "error: expected to open another file for x, but found Too many open files: raise the limit"),
    ],
)
def test_what_this_machine_lacks_is_no_fault_of_ours(
    number: int, shown: str, fail: Fail, capsys, tmp_path: Path
) -> None:
    fail(OSError(number, "as the system calls it", "x"))
    with pytest.raises(SystemExit, match="1"):
        entry.run()
    assert capsys.readouterr().err.startswith(shown)
    assert not list(tmp_path.iterdir())


def test_the_librarys_own_message_is_shown_on_request(fail: Fail, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(ExportError("the runtime refuses the model").with_detail("INVALID_GRAPH: node Conv\nsee the log"))
    with pytest.raises(SystemExit):
        entry.run()
    assert "INVALID_GRAPH" not in capsys.readouterr().err
    monkeypatch.setenv("LATKIT_VERBOSE", "1")
    with pytest.raises(SystemExit):
        entry.run()
    assert "INVALID_GRAPH: node Conv\nsee the log" in capsys.readouterr().err


def test_ctrl_c_ends_with_130_and_no_traceback(fail: Fail, capsys) -> None:
    fail(KeyboardInterrupt())
    with pytest.raises(SystemExit, match="130"):
        entry.run()
    assert capsys.readouterr().err == ""


INTERRUPTED_IMPORT = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "latkit.cli.app":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Finder())
from latkit.cli import main
main()
"""


def test_ctrl_c_while_modules_are_imported_ends_alike() -> None:
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (130, "")


def test_a_reader_that_closes_the_pipe_is_not_an_error() -> None:
    command = f"{sys.executable} -m latkit --help | true; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert re.fullmatch("[01]", ended.stdout.strip())
    assert "Traceback" not in ended.stderr


def test_a_terminal_without_utf_8_is_no_error() -> None:
    shown = "from latkit.cli import console, entry\nentry.app = lambda **_: console.say('µs – 中')\nentry.run()"
    ended = subprocess.run(
        [sys.executable, "-c", shown], capture_output=True, env={"PYTHONIOENCODING": "ascii:strict", "PATH": "/bin"}
    )
    assert ended.stdout == b"\\xb5s \\u2013 \\u4e2d\n"
