"""Files that appear whole or not at all: what was kept outlives the next one's being written in part."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from latkit.measurements import write_parquet
from latkit.ops import make_op
from latkit.search.constraints import Limit, save_limits
from latkit.search.result import DataFacts
from latkit.spaces import Layer, Space
from latkit.tables import LatencyTable
from latkit.targets import Target
from latkit.validate import MeasuredNetwork, NetworkResult, Validation
from latkit.workspace.cross_table import CROSS_FILE, CrossTable
from latkit.workspace.series import SERIES_FILE, Series
from tests.builders import conv, make_measurement, network_of

ROOM_BYTES = 32
"""Less than any of the records takes."""

RESULT = NetworkResult(name="n", key="k", architecture=[], predicted_ms=1, low_ms=1, high_ms=1, first_ms=1, second_ms=1)
NUMBERS = {name: 1.0 for name, field in Validation.model_fields.items() if field.annotation is float}
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
SPACE = Space("s", (Layer("only", (conv(8), make_op("conv", (8, 8, 8), out_channels=8, kernel=5))),))
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
    "limits.json": lambda path: save_limits([Limit("macs", TABLE, 1.0)], path),
    "measured.parquet": lambda path: write_parquet([make_measurement(conv(8), 1000)], path, "card"),
}


@contextmanager
def hardly_any_room() -> Iterator[None]:
    """Within, the system ends writing to a file in the middle of it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_is_written_in_part_leaves_the_one_before(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("as it was")
    with hardly_any_room(), pytest.raises(Exception, match="File too large"):
        RECORDS[name](path)
    assert path.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [path]
    RECORDS[name](path)
    assert path.stat().st_size > ROOM_BYTES
