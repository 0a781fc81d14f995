"""Reading: any file is a record or one line that reports what is wrong with it."""

import errno
import json
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from latkit._io import load_json, load_record, parse_json, read_bytes, read_text, reading
from latkit.errors import BadFile, DiskFull, HostLimit, NotMeasured, UsageError


class Point(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    x: float
    name: str = ""


class PanicException(BaseException):  # pyo3 raises an exception of this name, which is no Exception
    """A library in Rust panicked."""


@pytest.mark.parametrize(
    ("raised", "found"),
    [
        (ValueError("first line\nsecond\x1b[2J"), "first line second\\x1b[2J"),
        (ValueError(""), "ValueError"),
        (KeyError("wall_ns"), "no wall_ns"),
        (IndexError("list index out of range"), "list index out of range"),
        (RecursionError("maximum recursion depth exceeded"), "values nested too deep"),
        (MemoryError(), "more than fits into memory"),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)), "no such file"),
        (PanicException("called `Option::unwrap()` on a `None` value"), "called `Option::unwrap()`"),
    ],
)
def test_whatever_a_parser_raises_is_one_line(raised: BaseException, found: str) -> None:
    with pytest.raises(BadFile) as caught, reading("t.json", "a table"):
        raise raised
    assert str(caught.value).startswith(f"t.json: expected a table, but found {found}")
    assert "\n" not in str(caught.value)


def test_what_is_wrong_in_a_file_names_the_file() -> None:
    with (
        pytest.raises(BadFile, match=r"^t.json: expected a table, but found unknown op kind$"),
        reading("t.json", "a table"),
    ):
        raise UsageError("unknown\nop kind")
    with pytest.raises(BadFile, match=r"^x: expected y, but found z$"), reading("t.json", "a table"):
        raise BadFile("x", "y", "z")


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (NotMeasured("conv"), NotMeasured),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.ENOSPC, "No space left on device"), DiskFull),
        (OSError(errno.EMFILE, "Too many open files"), HostLimit),
    ],
)
def test_what_is_no_fault_of_the_file_passes(raised: BaseException, kind: type[BaseException]) -> None:
    with pytest.raises(kind), reading("t.json", "a table"):
        raise raised


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    fifo, loop, listening = tmp_path / "fifo", tmp_path / "loop", tmp_path / "socket"
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(listening))
        for path, found in (
            (fifo, "a FIFO"),
            (loop, "Too many levels of symbolic links"),
            (tmp_path, "Is a directory"),
            (Path("/dev/zero"), "a device"),
            (listening, "No such device or address"),
            (tmp_path / "absent", "no such file"),
            (tmp_path / ("x" * 300), "File name too long"),
            (Path("nul\0byte"), "embedded null byte"),
        ):
            with pytest.raises(BadFile, match=found):
                read_bytes(path, "a table")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(2**40)  # a sparse file
    with pytest.raises(BadFile, match="1099511627776 bytes, more than"):
        load_json(path, "a table")


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin"
    path.write_bytes("µ".encode("latin-1"))
    with pytest.raises(BadFile, match="not UTF-8"):
        read_text(path, "a table")


@pytest.mark.parametrize(
    "text",
    ["[" * 200 + "]" * 200, "[" * 100_000, str(10**400), "1e400", "-1e999", "NaN", "Infinity", '"\\ud800"',
     '{"\\udfff": 1}', str(2**64), "1" * 10_000],
)  # fmt: skip
def test_json_that_would_fail_later_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises((ValueError, RecursionError)):
        parse_json(text)
    path = tmp_path / "record.json"
    path.write_text(f'{{"x": 1.0, "name": {text}}}')
    with pytest.raises(BadFile):
        load_record(path, Point, "a point")


def test_a_record_is_read_and_a_wrong_field_is_named(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text('{"x": 0.5}')
    assert load_record(path, Point, "a point") == Point(x=0.5)
    path.write_text('{"x": "half"}')
    with pytest.raises(BadFile, match="expected a point, but found x: Input should be a valid number"):
        load_record(path, Point, "a point")


Json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@pytest.mark.slow
@given(Json)
def test_what_json_writes_is_read_back(document: object) -> None:
    assert parse_json(json.dumps(document)) == document
