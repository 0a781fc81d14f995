from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from latkit.errors import BadFile, UsageError
from latkit.layout import Folders
from latkit.measurements import card_path, read_parquet, write_card, write_parquet
from latkit.workspace.measurements import export_measurements
from latkit.workspace.requests import ExportMeasurementsRequest
from tests.builders import ENVIRONMENT, TARGET, conv, make_measurement, network_of

MEASUREMENTS = [
    make_measurement(conv(8), 1000),
    make_measurement(network_of(conv(8), name="n"), 3000, role="validation"),
    make_measurement(network_of(conv(8), name="n"), 3300, role="validation", repetition=1),
]


def test_a_round_trip_keeps_everything(tmp_path: Path) -> None:
    write_parquet(MEASUREMENTS, tmp_path / "d.parquet", "# card\n")
    assert read_parquet(tmp_path / "d.parquet") == MEASUREMENTS
    assert card_path(tmp_path / "d.parquet").read_text() == "# card\n"


def test_the_card_says_what_where_and_how_again() -> None:
    card = write_card(MEASUREMENTS, ["- Model: test board"], ["measurements", "export", "board/x", "-o", "a b.parquet"])
    assert f"# {TARGET}" in card
    assert "1 op measurements, 2 network measurements, 6 rounds, 18 timed runs" in card
    assert "- Model: test board" in card
    assert ENVIRONMENT.runtime_version in card
    assert "`latkit measurements export board/x -o 'a b.parquet'`" in card
    assert "Repeatability: 9.52 % mean difference of 1 subjects measured twice" in card


def test_the_saved_baseline_is_exported_too(tmp_path: Path) -> None:
    saved = [replace(measurement, reference_s=0.0005) for measurement in MEASUREMENTS]
    write_parquet(saved, tmp_path / "d.parquet", "")
    assert read_parquet(tmp_path / "d.parquet") == saved
    assert "Reference: 500.0 µs on the quiet device, kept with the target" in write_card(saved, [], [])


def test_a_dataset_without_saved_baselines_is_read(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    write_parquet(MEASUREMENTS, path, "")
    pl.read_parquet(path).drop("reference_s").write_parquet(path)
    assert read_parquet(path) == MEASUREMENTS


def test_a_card_replaces_no_file_of_another_kind(tmp_path: Path) -> None:
    folders = Folders.init(tmp_path)
    with folders.store(MEASUREMENTS[0].target) as store:
        store.add_all(MEASUREMENTS)
    request = ExportMeasurementsRequest(target=MEASUREMENTS[0].target, output=tmp_path / "d.parquet", command=("x",))
    notes = tmp_path / "d.md"
    notes.write_text("# my notes\n")
    with pytest.raises(UsageError, match="found another file there"):
        export_measurements(folders, request)
    assert (notes.read_text(), request.output.exists()) == ("# my notes\n", False)
    notes.unlink()
    for _ in range(2):  # a dataset's own card is replaced
        export_measurements(folders, request)
    assert f"# {TARGET}" in notes.read_text()


def test_nothing_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to export"):
        write_parquet([], tmp_path / "d.parquet", "")
    with pytest.raises(UsageError, match=r"ending in \.parquet"):
        write_parquet(MEASUREMENTS, tmp_path / "d.csv", "")
    assert not list(tmp_path.iterdir())


def test_corrupt_unrelated_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    with pytest.raises(BadFile, match="no such file"):
        read_parquet(path)
    path.write_bytes(b"PAR1 and then nothing of the kind PAR1")
    with pytest.raises(BadFile, match="measurements as Parquet"):
        read_parquet(path)
    pl.DataFrame({"song": ["a"]}).write_parquet(path)
    with pytest.raises(BadFile, match="another table"):
        read_parquet(path)


@pytest.mark.parametrize(
    ("column", "value", "output"),
    [("target", "nonsense", "DEVICE/RUNTIME"), ("role", "other", "fit"), ("document", "{", "measurements")],
)
def test_a_wrong_value_is_refused(tmp_path: Path, column: str, value: str, output: str) -> None:
    path = tmp_path / "d.parquet"
    write_parquet(MEASUREMENTS, path, "")
    pl.read_parquet(path).with_columns(pl.lit(value).alias(column)).write_parquet(path)
    with pytest.raises(BadFile, match=output):
        read_parquet(path)
