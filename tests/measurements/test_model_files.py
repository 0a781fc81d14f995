"""Measurements of model files: stored, exported, and never used by a fit."""

from __future__ import annotations

from pathlib import Path

from latkit.graphs import FileTensor, ModelFile
from latkit.measurements import Store
from latkit.measurements.parquet import read_parquet, write_card, write_parquet
from tests.builders import TARGET, conv, make_measurement

FILE = ModelFile("a" * 64, "tflite", (FileTensor("x", "int8", (1, 8), -128, 127),), name="net.tflite", macs=7)


def test_a_model_file_is_stored_and_read_back(tmp_path: Path) -> None:
    measurement = make_measurement(FILE, 1000, role="profile")
    with Store(tmp_path / "m.sqlite", TARGET) as store:
        store.add_all([measurement, make_measurement(conv(8), 500)])
        (found,) = store.measurements("profile")
        assert [m.workload for m in store.measurements("fit")] == [conv(8)]
    assert found == measurement
    assert isinstance(found.workload, ModelFile)
    assert found.workload.name == "net.tflite"


def test_a_model_file_is_exported(tmp_path: Path) -> None:
    measurement = make_measurement(FILE, 1000, role="profile")
    card = write_card([measurement], [], ["measurements", "export"])
    assert "0 op measurements" in card
    assert "1 of model files" in card
    write_parquet([measurement], tmp_path / "m.parquet", card)
    assert read_parquet(tmp_path / "m.parquet") == [measurement]
