"""Everything written can be read, and one bad row costs only itself."""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from latkit.errors import BadFile, InvalidMeasurement
from latkit.measurements import Store, flags_of, read_parquet, write_card, write_parquet
from latkit.timing import Baseline
from tests.builders import ENVIRONMENT, PLAN, TARGET, conv, make_measurement, make_round

BASELINE = Baseline(0.001, 40, True, 1.0)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with two measurements of two rounds each, and a baseline."""
    path = tmp_path / "m.sqlite"
    with Store(path, TARGET) as store:
        store.add_all([make_measurement(conv(8), 1000), make_measurement(conv(9), 2000, started_at=10.0)])
        store.save_baseline(ENVIRONMENT, BASELINE)
    return path


def spoil(path: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement, values)
    connection.close()


class TestWriting:
    @pytest.mark.parametrize(
        ("conditions", "reason"),
        [
            ({"before": {"governor": "\ud800"}}, "UTF-8"),
            ({"\ud800": 1}, "UTF-8"),
            ({"turn": nested(150)}, "deep"),
            ({"inference_ns": float("inf")}, "Infinity"),
            ({"after": {"load1": float("nan")}}, "NaN"),
            ({"after": {"memory": 10**400}}, "64 bits"),
            ({"after": "x" * 2**21}, "characters"),
            ({"after": b"bytes"}, "not JSON serializable"),
        ],
    )
    def test_what_could_not_be_read_is_not_written(
        self, path: Path, conditions: dict[str, object], reason: str
    ) -> None:
        with Store(path, TARGET) as store:
            before = store.measurements()
            with pytest.raises(InvalidMeasurement, match=reason) as error:
                store.add_round(conv(8), ENVIRONMENT, PLAN, replace(make_round([5]), conditions=conditions))
            assert str(error.value).isprintable()
            assert store.measurements() == before
            assert store.unreadable() == []

    def test_an_environment_that_could_not_be_read_is_not_written(self, path: Path) -> None:
        with Store(path, TARGET) as store:
            for environment in (replace(ENVIRONMENT, governor="\ud800"), replace(ENVIRONMENT, baseline=2**70)):
                with pytest.raises(InvalidMeasurement):
                    store.add_round(conv(8), environment, PLAN, make_round([5]))
            assert store.environments() == [ENVIRONMENT]

    def test_a_corrupt_workload_is_repaired_when_it_is_measured_again(self, path: Path) -> None:
        spoil(path, "UPDATE subjects SET document = 'x'")
        with Store(path, TARGET) as store:
            assert store.measurements() == []
            store.add_round(conv(8), ENVIRONMENT, PLAN, make_round([5], started_at=20.0))
            (found,) = store.measurements()
        assert [one_round.started_at for one_round in found.rounds] == [0.0, 1.0, 20.0]


SPOILT = [
    ('UPDATE visits SET conditions = \'{"turn": "\\ud800"}\' WHERE id = 1', 3),
    ("UPDATE visits SET conditions = '" + "[" * 300 + "]" * 300 + "' WHERE id = 1", 3),
    ("UPDATE visits SET conditions = '[]' WHERE id = 1", 3),
    ("UPDATE visits SET conditions = '{\"inference_ns\": 1e400}' WHERE id = 1", 3),
    ("UPDATE visits SET conditions = cast(x'ff' AS text) WHERE id = 1", 3),
    ("UPDATE visits SET conditions = 5 WHERE id = 1", 3),
    ("UPDATE visits SET started_at = 1e18 WHERE id = 1", 3),
    ("UPDATE visits SET started_at = -1 WHERE id = 1", 3),
    ("UPDATE visits SET started_at = 'yesterday' WHERE id = 4", 3),
    ("UPDATE visits SET started_at = 9e999 WHERE id = 4", 3),
    ("UPDATE visits SET wall_ns = x'00' WHERE id = 1", 3),
    ("UPDATE visits SET wall_ns = x'' WHERE id = 1", 3),
    ("UPDATE visits SET wall_ns = 1000000000000 WHERE id = 1", 3),
    ("UPDATE visits SET wall_ns = zeroblob(24) WHERE id = 1", 3),
    ("UPDATE visits SET cpu_ns = x'ffffffffffffffffffffffffffffffffffffffffffffffff' WHERE id = 1", 3),
    ("UPDATE visits SET preemptions = zeroblob(8) WHERE id = 1", 3),
    ("UPDATE visits SET reference_wall_ns = 'text' WHERE id = 1", 3),
    ("UPDATE visits SET measurement_key = 'nowhere' WHERE id = 1", 3),
    ("UPDATE measurements SET target = 'nonsense' WHERE rowid = 1", 2),
    ("UPDATE measurements SET target = x'00' WHERE rowid = 1", 2),
    ("UPDATE measurements SET role = 'other' WHERE rowid = 1", 2),
    ("UPDATE measurements SET repetition = -1 WHERE rowid = 1", 2),
    ("UPDATE measurements SET repetition = 'x' WHERE rowid = 1", 2),
    ("UPDATE measurements SET plan = '{}x' WHERE rowid = 1", 2),
    ("UPDATE measurements SET plan = '{\"visits\": 0}' WHERE rowid = 1", 2),
    ("UPDATE measurements SET plan = '{\"visit_s\": 1e400}' WHERE rowid = 1", 2),
    ("UPDATE measurements SET setup = '{}' WHERE rowid = 1", 2),
    ("UPDATE measurements SET subject_key = 'x' WHERE rowid = 1", 2),
    ("DELETE FROM subjects WHERE rowid = 1", 2),
    ('UPDATE subjects SET document = \'{"kind": "warp"}\' WHERE rowid = 1', 2),
    ("UPDATE subjects SET document = '" + "[" * 100000 + "' WHERE rowid = 1", 2),
    (
        "UPDATE subjects SET document = replace(document, '[8, 8, 8]', '[8, 8, 1" + "0" * 400 + "]') WHERE rowid = 1",
        2,
    ),
]


class TestReading:
    @pytest.mark.parametrize(("statement", "left"), SPOILT, ids=range(len(SPOILT)))
    def test_a_bad_row_is_left_out_and_named_once(
        self, path: Path, caplog: pytest.LogCaptureFixture, statement: str, left: int
    ) -> None:
        spoil(path, statement)
        with Store(path, TARGET) as store:
            for _ in range(2):
                found = store.measurements()
            assert store.latest_environment() == ENVIRONMENT
            assert store.environments() == [ENVIRONMENT]
            assert store.latest_boot_id() == ""
            store.baseline(ENVIRONMENT)
        assert sum(len(measurement.rounds) for measurement in found) == left
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        message = record.getMessage()
        assert message.startswith(f"{TARGET}: left out {4 - left} unreadable round")
        assert message.endswith(f"latkit measurements repair {TARGET}")
        assert message.isprintable()
        assert all(not flags_of(one).get("throttled") for one in found)
        write_parquet(found, path.with_suffix(".parquet"), write_card(found, [], []))

    @pytest.mark.parametrize(
        "change", ["reference_s = 'x'", "reference_s = -1", "quiet = 'x'", "visits = x'00'", "established_at = 1e18"]
    )
    def test_a_corrupt_baseline_is_ignored(self, path: Path, caplog: pytest.LogCaptureFixture, change: str) -> None:
        spoil(path, f"UPDATE scales SET {change}")
        with Store(path, TARGET) as store:
            assert store.baseline(ENVIRONMENT) is None
            assert [one.reference_s for one in store.measurements()] == [None, None]
            (record,) = caplog.records
            assert "1 unreadable scale" in record.getMessage()
            store.remove(store.unreadable())
            assert store.unreadable() == []
            store.save_baseline(ENVIRONMENT, BASELINE)
            assert store.baseline(ENVIRONMENT) == BASELINE

    def test_only_bad_rows_are_removed(self, path: Path) -> None:
        spoil(path, "UPDATE visits SET started_at = 'x' WHERE id = 2")
        with Store(path, TARGET) as store:
            before = store.measurements()
            store.remove(store.unreadable())
            assert store.unreadable() == []
            assert store.measurements() == before
        with sqlite3.connect(path) as connection:
            assert connection.execute("SELECT count(*) FROM visits").fetchone() == (3,)
        connection.close()

    def test_an_op_that_is_not_installed_here_is_not_corrupt(self, path: Path) -> None:
        spoil(path, "UPDATE subjects SET document = replace(document, '\"conv\"', '\"warp\"') WHERE rowid = 1")
        with Store(path, TARGET) as store:
            assert [one.workload for one in store.measurements()] == [conv(9)]
            assert [row.is_spoilt for row in store.unreadable()] == [False, False]


class TestImporting:
    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("started_at", 1e18),
            ("started_at", float("nan")),
            ("started_at", None),
            ("target", None),
            ("setup", None),
            ("plan", "[]"),
            ("conditions", '{"x": NaN}'),
            ("conditions", "[" * 300),
            ("wall_ns", [0, 0, 0]),
            ("wall_ns", [None, 1, 1]),
            ("wall_ns", None),
            ("cpu_ns", [1]),
            ("repetition", -1),
            ("repetition", None),
            ("reference_s", -1.0),
            ("reference_s", float("inf")),
            ("role", None),
            ("document", None),
        ],
    )
    def test_a_dataset_with_a_bad_row_is_refused(self, tmp_path: Path, column: str, value: object) -> None:
        import polars as pl

        path = tmp_path / "d.parquet"
        write_parquet([make_measurement(conv(8), 1000), make_measurement(conv(9), 2000)], path, "")
        frame = pl.read_parquet(path)
        values = [*frame[column].to_list()[:-1], value]
        frame.with_columns(pl.Series(column, values, dtype=frame.schema[column])).write_parquet(path)
        with pytest.raises(BadFile, match=r"d\.parquet: expected latkit's measurements") as error:
            read_parquet(path)
        assert str(error.value).isprintable()

    @pytest.mark.parametrize("name", ["a[1].parquet", "a*.parquet", "a?.parquet", "[a-z].parquet"])
    def test_a_files_name_is_taken_literally(self, tmp_path: Path, name: str) -> None:
        ours, other = make_measurement(conv(8), 1000), make_measurement(conv(9), 2000)
        for neighbor in ("a1.parquet", "ab.parquet", "b.parquet"):
            write_parquet([other], tmp_path / neighbor, "")
        write_parquet([ours], tmp_path / name, "")
        assert read_parquet(tmp_path / name) == [ours]
        folder = tmp_path / "folder [1]"
        folder.mkdir()
        write_parquet([ours], folder / name, "")
        assert read_parquet(folder / name) == [ours]

    def test_no_regular_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "d.parquet").mkdir()
        with pytest.raises(BadFile, match="no regular file"):
            read_parquet(tmp_path / "d.parquet")
