"""Mutations of the store (SQLite) and of published datasets (Parquet): values and schemas, not only bytes."""

from __future__ import annotations

import io
import json
import random
import sqlite3
from contextlib import closing, suppress
from typing import Any

import polars as pl

from benchmarks.fuzzing import octets, trees

BLOBS = (
    b"",
    b"\0" * 7,
    b"\xff" * 8,
    b"\0" * 8,
    b"\x01" + b"\0" * 7,
    b"\xff" * 7 + b"\x7f",
    b"\x01\0\0\0\0\0\0\0" * 300,
)
"""Samples: none, not whole numbers, -1, 0, 1, the largest, many."""
LARGE = 2**63 - 1


def sqlite_mutated(rng: random.Random, content: bytes) -> bytes:
    """A database with some values or its schema changed; or its bytes."""
    if rng.random() < 0.25:
        return octets.mutated(rng, content)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(content)
        for _ in range(rng.choice((1, 1, 2, 3))):
            with suppress(sqlite3.Error, OverflowError, UnicodeEncodeError):
                (_schema if rng.random() < 0.15 else _value)(rng, connection)
        connection.commit()
        return connection.serialize()


def _value(rng: random.Random, connection: sqlite3.Connection) -> None:
    table = rng.choice([name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")])
    columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
    column = rng.choice(columns)
    rows = connection.execute(f'SELECT rowid, "{column}" FROM "{table}"').fetchall()
    if rows:
        row, known = rng.choice(rows)
        where = "" if rng.random() < 0.1 else f" WHERE rowid = {row}"
        connection.execute(f'UPDATE "{table}" SET "{column}" = ?{where}', (_other(rng, known),))


def _other(rng: random.Random, known: Any) -> Any:
    """Another value for a cell: documents and samples by their own rules, sometimes of another type."""
    if isinstance(known, str) and known[:1] in ("{", "[") and rng.random() < 0.8:
        return trees.to_json(trees.mutated(rng, trees.parse(json.loads(known))))
    if isinstance(known, bytes) and rng.random() < 0.7:
        return rng.choice((*BLOBS, octets.mutated(rng, known)))
    values = (None, 0, -1, LARGE, -LARGE - 1, 1e300, float("inf"), float("nan"), b"\xff\0", *trees.TEXTS[:18])
    return rng.choice(values)


def _schema(rng: random.Random, connection: sqlite3.Connection) -> None:
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    table = rng.choice(tables)
    connection.execute(
        rng.choice(
            (
                f'DROP TABLE "{table}"',
                f'ALTER TABLE "{table}" RENAME TO "other"',
                f'DELETE FROM "{table}"',
                f'ALTER TABLE "{table}" ADD COLUMN "extra" TEXT',
                f"PRAGMA user_version = {rng.choice((0, 1, 3, 99, -1))}",
                f"PRAGMA application_id = {rng.choice((0, 1))}",
                "PRAGMA journal_mode = WAL",
            )
        )
    )


def parquet_mutated(rng: random.Random, content: bytes) -> bytes:
    """A dataset with some cells or columns changed; or its bytes."""
    if rng.random() < 0.35:
        return octets.mutated(rng, content)
    frame = pl.read_parquet(io.BytesIO(content))
    column = rng.choice(frame.columns)
    mutation = rng.random()
    if mutation < 0.06:
        frame = frame.drop(column)
    elif mutation < 0.12:
        frame = frame.rename({column: rng.choice((column + "x", "", "extra"))})
    elif mutation < 0.2:
        kind = rng.choice((pl.String, pl.Float64, pl.Binary, pl.Int8, pl.Boolean))
        frame = frame.with_columns(pl.lit(None, dtype=kind).alias(column))
    elif mutation < 0.24:
        frame = frame.head(rng.randint(0, 1))
    else:
        frame = _with_cell(rng, frame, column)
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


def _with_cell(rng: random.Random, frame: pl.DataFrame, column: str) -> pl.DataFrame:
    kind, values = frame.schema[column], frame[column].to_list()
    index = rng.randrange(len(values))
    if isinstance(kind, pl.List):
        lists: tuple[Any, ...] = (None, [], [0], [-1], [LARGE], [LARGE] * 3, [1] * 500, values[index][:1], [None])
        values[index] = rng.choice(lists)
    elif kind == pl.String:
        other = _other(rng, values[index])
        values[index] = other.encode("utf-8", "replace").decode() if isinstance(other, str) else None
    elif kind == pl.Int64:
        values[index] = rng.choice((None, 0, -1, LARGE, -LARGE))
    else:
        values[index] = rng.choice((None, 0.0, -1.0, 1e18, -1e18, 1e300, float("nan"), float("inf")))
    return frame.with_columns(pl.Series(column, values, dtype=kind))
