"""One bad round stops no command, and can be removed."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from latkit.measurements import Store, read_parquet
from tests.builders import TARGET, conv, make_measurement
from tests.conftest import Run


def test_a_bad_round_is_left_out_by_export_and_removed_by_repair(tmp_path: Path, latkit: Run) -> None:
    latkit("init", tmp_path)
    path = tmp_path / "measurements" / str(TARGET) / "measurements.sqlite"
    with Store(path, TARGET) as store:
        store.add_all([make_measurement(conv(8), 1000), make_measurement(conv(9), 2000, started_at=5.0)])
    with sqlite3.connect(path) as connection:
        connection.execute('UPDATE visits SET conditions = \'{"x": "\\ud800"}\' WHERE id = 1')
    connection.close()
    output = tmp_path / "all [1].parquet"
    code, _, err = latkit("-C", tmp_path, "measurements", "export", TARGET, "-o", output)
    assert code == 0, err
    assert sum(len(measurement.rounds) for measurement in read_parquet(output)) == 3
    code, out, _ = latkit("-C", tmp_path, "measurements", "repair", TARGET, "--json")
    assert code == 0
    assert [(row["table"], row["row"]) for row in json.loads(out)["removed"]] == [("visits", 1)]
    code, out, _ = latkit("-C", tmp_path, "measurements", "repair", TARGET)
    assert (code, out) == (0, f"{TARGET}: nothing to remove\n")


def test_there_is_nothing_to_repair_where_nothing_was_measured(tmp_path: Path, latkit: Run) -> None:
    latkit("init", tmp_path)
    code, _, err = latkit("-C", tmp_path, "measurements", "repair", TARGET)
    assert code == 1
    assert "nothing was measured" in err
