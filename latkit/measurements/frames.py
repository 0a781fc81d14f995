"""Measurements as a data frame, one row per round. Needs polars; see `parquet` for the files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from latkit._io import one_line, reading
from latkit.errors import BadFile
from latkit.measurements.rows import SAMPLES, measurement_columns, workload_document
from latkit.timing import Measurement

EXPECTED = "latkit's measurements as Parquet"

RELEASE = "latkit"
"""Of the file's metadata: the version of latkit that wrote it."""

STDERR = 2
"""The file handle that libraries in Rust print to."""

SCHEMA: dict[str, pl.DataType] = {
    "title": pl.String(),
    "document": pl.String(),
    "target": pl.String(),
    "setup": pl.String(),
    "plan": pl.String(),
    "role": pl.String(),
    "repetition": pl.Int64(),
    "started_at": pl.Float64(),
    **{name: pl.List(pl.Int64()) for name in SAMPLES},
    "conditions": pl.String(),
    "reference_s": pl.Float64(),
}
"""Columns of a published dataset. `title` is for readers; everything else is read back."""

MAX_ROWS = 10_000_000
"""Maximum size of a dataset: a thousand times the largest one published here."""

LATER = ("reference_s",)
"""Columns that datasets published earlier lack."""


def _written_by(path: Path) -> str:
    """What wrote a file with other columns, and what to do; empty where it was not latkit, or one before 0.1.0."""
    release = pl.read_parquet_metadata(path).get(RELEASE)
    return f"; latkit {one_line(release, 20)} wrote it: update latkit, or export it again" if release else ""


def to_frame(measurements: Sequence[Measurement]) -> pl.DataFrame:
    """One row per round, with the columns of `SCHEMA`."""
    rows = []
    for measurement in measurements:
        columns = measurement_columns(
            measurement.workload,
            measurement.target,
            measurement.environment,
            measurement.plan,
            measurement.role,
            measurement.repetition,
        )
        del columns["subject_key"]  # derived from the document
        columns |= {
            "title": measurement.workload.title,
            "document": json.dumps(workload_document(measurement.workload)),
        }
        rows += [
            {
                **columns,
                "reference_s": measurement.reference_s,
                "started_at": one_round.started_at,
                **{name: list(getattr(one_round, name)) for name in SAMPLES},
                "conditions": json.dumps(one_round.conditions),
            }
            for one_round in measurement.rounds
        ]
    return pl.DataFrame(rows, schema=SCHEMA)


def read_frame(path: Path) -> pl.DataFrame:
    """The rows of a file. Raises BadFile if it is corrupt, or is not a latkit dataset."""
    if not path.is_file():
        raise BadFile(path, EXPECTED, "no such file" if not path.exists() else "no regular file")
    with reading(path, EXPECTED), _silent_panics():
        rows = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
        if rows > MAX_ROWS:
            raise BadFile(path, EXPECTED, f"{rows} rows, more than {MAX_ROWS}")
        if not rows:
            raise BadFile(path, EXPECTED, "no rows")
        frame = pl.read_parquet(path, glob=False)
    found = dict(zip(frame.columns, frame.dtypes, strict=True))
    if found != {name: kind for name, kind in SCHEMA.items() if name in found or name not in LATER}:
        missing = [name for name in SCHEMA if found.get(name) != SCHEMA[name]]
        column = f"column {missing[0] if missing else list(found)[-1]!r} differs"
        raise BadFile(path, EXPECTED, f"another table ({column}{_written_by(path)})")
    return frame


@contextmanager
def _silent_panics() -> Iterator[None]:
    """Suppress what a panic inside polars prints: pages of its source code, before the exception can be caught."""
    try:
        saved = os.dup(STDERR)
    except OSError:  # the handle is closed
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.dup2(null, STDERR)
        yield
    finally:
        os.dup2(saved, STDERR)
        os.close(saved)
        os.close(null)
