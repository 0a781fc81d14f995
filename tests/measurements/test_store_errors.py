"""A store that another process locks, that cannot be written, or for which this machine has no room."""

from __future__ import annotations

import logging
import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from latkit.errors import BadFile, DiskFull, HostLimit, LatkitError, StoreBusy, WriteError
from latkit.measurements import Store
from tests.builders import ENVIRONMENT, PLAN, TARGET, conv, make_measurement, make_round

MEASURED = make_measurement(conv(8), 1000)
USAGE = 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "measurements" / "m.sqlite"
    with Store(path, TARGET) as store:
        store.add_all([MEASURED])
    return path


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program that writes and does not end its transaction."""
    other = sqlite3.connect(path, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield other
    finally:
        other.close()


def test_a_locked_store_is_waited_for(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("latkit.measurements.store.PATIENCE_S", 0.1)

    class Unlocking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            other.rollback()

    handler, log = Unlocking(), logging.getLogger("latkit.measurements")
    with locked(path) as other:
        log.addHandler(handler)
        try:
            with Store(path, TARGET) as store:
                assert store.measurements() == [MEASURED]
        finally:
            log.removeHandler(handler)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "waiting for another process to let go of" in record.getMessage()
    assert str(path) in record.getMessage()


def test_a_store_that_stays_locked_is_reported_in_the_users_terms(path: Path) -> None:
    with locked(path), pytest.raises(StoreBusy, match=r"another process keeps .*m\.sqlite locked") as error:
        Store(path, TARGET, busy_s=0.2)
    assert error.value.exit_code == LatkitError.exit_code != USAGE
    assert "database" not in str(error.value)
    with Store(path, TARGET, busy_s=0.2) as store:
        with locked(path), pytest.raises(StoreBusy):
            store.add_round(conv(8), ENVIRONMENT, PLAN, make_round([5], started_at=9.0))
        assert store.measurements() == [MEASURED]


def test_a_folder_and_a_truncated_file_are_bad_files(path: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.sqlite").mkdir()
    with pytest.raises(BadFile, match="a folder"):
        Store(tmp_path / "folder.sqlite", TARGET)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(BadFile, match="malformed"), Store(path, TARGET) as store:
        store.measurements()


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "measurements").write_text("")
    with pytest.raises(WriteError, match="could not write"):
        Store(tmp_path / "measurements" / "m.sqlite", TARGET)


def test_no_more_files_may_be_opened(path: Path) -> None:
    with Store(path, TARGET) as store:
        store._engine.dispose()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        used = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
        held = []
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(used + 8, soft), hard))
            while True:
                try:
                    held.append(os.open("/dev/null", os.O_RDONLY))
                except OSError:
                    break
            with pytest.raises(HostLimit, match="ulimit -n"):
                store.measurements()
        finally:
            for handle in held:
                os.close(handle)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert store.measurements() == [MEASURED]


def on_connect(store: Store, statement: str) -> None:
    """Every later connection of the store begins with that."""
    store._engine.dispose()
    sa.event.listen(store._engine, "connect", lambda connection, _record: connection.execute(statement))


@pytest.mark.parametrize(
    ("statement", "kind", "message"),
    [
        ("PRAGMA max_page_count = 1", DiskFull, "no room for .*: the disk is full"),
        ("PRAGMA query_only = ON", WriteError, "could not read or write"),
    ],
)
def test_what_the_disk_refuses(path: Path, statement: str, kind: type[LatkitError], message: str) -> None:
    one_round = make_round([5] * 10_000, started_at=10.0)
    with Store(path, TARGET) as store:
        on_connect(store, statement)
        with pytest.raises(kind, match=message):
            store.add_round(conv(8), ENVIRONMENT, PLAN, one_round)
    with Store(path, TARGET) as store:
        assert store.measurements() == [MEASURED]
        store.add_round(conv(8), ENVIRONMENT, PLAN, one_round)
