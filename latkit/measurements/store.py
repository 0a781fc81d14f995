"""The store: one SQLite file per target, written visit by visit, so that a kill loses at most the one in flight."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from latkit.errors import BadFile, DiskFull
from latkit.measurements.records import (
    Row,
    encode_samples,
    measurement_words,
    measurements_from_rows,
    setup_document,
    setup_from_document,
    subject_document,
)
from latkit.ops import digest
from latkit.targets import Target
from latkit.timing import Measurement, Role, Scale, Setup, Subject, TimingPlan, Visit

APPLICATION_ID = 0x4C41544B
"""`LATK`: marks a SQLite file as ours."""

FORMAT_VERSION = 2
"""2: `scales` was added. Files of version 1 get it when they are opened."""

_METADATA = sa.MetaData()

_SUBJECTS = sa.Table(
    "subjects",
    _METADATA,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)

_MEASUREMENTS = sa.Table(
    "measurements",
    _METADATA,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("subject_key", sa.ForeignKey("subjects.key"), nullable=False),
    sa.Column("target", sa.String, nullable=False),
    sa.Column("setup", sa.Text, nullable=False),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("repetition", sa.Integer, nullable=False),
)

_VISITS = sa.Table(
    "visits",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("measurement_key", sa.ForeignKey("measurements.key"), nullable=False, index=True),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("wall_ns", sa.LargeBinary, nullable=False),
    sa.Column("cpu_ns", sa.LargeBinary, nullable=False),
    sa.Column("preemptions", sa.LargeBinary, nullable=False),
    sa.Column("reference_wall_ns", sa.LargeBinary, nullable=False),
    sa.Column("reference_cpu_ns", sa.LargeBinary, nullable=False),
    sa.Column("conditions", sa.Text, nullable=False),
)

_SCALES = sa.Table(
    "scales",
    _METADATA,
    sa.Column("setup", sa.Text, primary_key=True),
    sa.Column("reference_s", sa.Float, nullable=False),
    sa.Column("visits", sa.Integer, nullable=False),
    sa.Column("quiet", sa.Boolean, nullable=False),
    sa.Column("established_at", sa.Float, nullable=False),
)


class Store:
    """Measurements of one target in one SQLite file. Use as a context manager, or close it."""

    def __init__(self, path: Path, target: Target) -> None:
        """Open the file, or make it. Raises BadFile where it is corrupt, foreign or of another version."""
        self.path = path
        self.target = target
        path.parent.mkdir(parents=True, exist_ok=True)
        self._logging = False
        self._engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))
        try:
            with self._reading():
                self._prepare()
        except BadFile:
            self.close()
            raise

    def _prepare(self) -> None:
        """Make the tables that the file lacks, all or none: another process may look at it, or kill this one."""
        with self._engine.begin() as connection:
            if self._is_whole(connection):
                return
        with self._engine.begin() as connection:
            connection.execute(sa.text("BEGIN IMMEDIATE"))
            if not self._is_whole(connection):
                _METADATA.create_all(connection)
                connection.execute(sa.text(f"PRAGMA application_id = {APPLICATION_ID}"))
                connection.execute(sa.text(f"PRAGMA user_version = {FORMAT_VERSION}"))

    def _is_whole(self, connection: sa.Connection) -> bool:
        """Whether the file is of this version; False where it is empty or of version 1. Raises BadFile otherwise."""
        tables = connection.scalar(sa.text("SELECT count(*) FROM sqlite_master"))
        application = connection.scalar(sa.text("PRAGMA application_id"))
        version = connection.scalar(sa.text("PRAGMA user_version"))
        if tables == 0 and application in (0, APPLICATION_ID):
            return False
        if application != APPLICATION_ID:
            raise BadFile(self.path, "latkit's measurements", "another program's SQLite file")
        if version not in (1, FORMAT_VERSION):
            raise BadFile(self.path, f"measurements of format {FORMAT_VERSION}", f"format {version}")
        return bool(version == FORMAT_VERSION)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn SQLite's complaints about the file into BadFile, and about the disk into DiskFull."""
        try:
            yield
        except sa.exc.DatabaseError as error:
            if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise DiskFull(
                    f"no room for {self.path}: the disk is full; what was measured before is kept. Make room, and run "
                    "the same command again to go on"
                ) from error
            raise BadFile(self.path, "latkit's measurements in SQLite", str(error.orig)) from error

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction. The first turns to a write-ahead log: one wait for the disk per commit in place of four."""
        if not self._logging:
            with self._engine.connect() as connection:
                connection.execute(sa.text("PRAGMA journal_mode = WAL"))
            self._logging = True
        with self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close the file, which is then one file again."""
        if self._logging:
            with suppress(sa.exc.DatabaseError), self._engine.connect() as connection:  # another process reads it
                connection.execute(sa.text("PRAGMA journal_mode = DELETE"))
            self._logging = False
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add_visit(
        self, subject: Subject, setup: Setup, plan: TimingPlan, visit: Visit, role: Role = "fit", repetition: int = 0
    ) -> None:
        """Write one visit and commit it. Its measurement is the one of the same subject, setup, plan and role."""
        words = measurement_words(subject, self.target, setup, plan, role, repetition)
        with self._reading(), self._writing() as connection:
            subject_row = {"key": subject.key, "document": json.dumps(subject_document(subject))}
            connection.execute(sa.insert(_SUBJECTS).prefix_with("OR IGNORE"), subject_row)
            connection.execute(sa.insert(_MEASUREMENTS).prefix_with("OR IGNORE"), {"key": digest(words), **words})
            connection.execute(
                sa.insert(_VISITS),
                {
                    "measurement_key": digest(words),
                    "started_at": visit.started_at,
                    **encode_samples(visit),
                    "conditions": json.dumps(visit.conditions),
                },
            )

    def latest_setup(self) -> Setup | None:
        """The setup of the visit made last, by whatever role; None where there is none."""
        query = (
            sa.select(_MEASUREMENTS.c.setup).join_from(_VISITS, _MEASUREMENTS).order_by(_VISITS.c.started_at.desc())
        ).limit(1)
        with self._reading(), self._engine.connect() as connection:
            row = connection.scalar(query)
        return None if row is None else setup_from_document(row, self.path)

    def setups(self) -> list[Setup]:
        """Every setup under which anything was measured."""
        with self._reading(), self._engine.connect() as connection:
            found = connection.scalars(sa.select(_MEASUREMENTS.c.setup).distinct()).all()
        return [setup_from_document(text, self.path) for text in found]

    def latest_boot_id(self) -> str:
        """The boot id told by the visit made last; empty where none told it."""
        query = sa.select(_VISITS.c.conditions).order_by(_VISITS.c.id.desc()).limit(1)
        with self._reading(), self._engine.connect() as connection:
            row = connection.scalar(query)
        return str(json.loads(row).get("boot_id", "")) if row else ""

    def scale(self, setup: Setup) -> Scale | None:
        """What the reference takes on the quiet device under this setup; None where that was not established yet."""
        query = sa.select(_SCALES).where(_SCALES.c.setup == setup_document(setup))
        with self._reading(), self._engine.connect() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else Scale(**{name: row[name] for name in row if name != "setup"})

    def keep_scale(self, setup: Setup, scale: Scale) -> None:
        """Keep that for this setup, in place of what was kept before."""
        with self._reading(), self._writing() as connection:
            words = {"setup": setup_document(setup), **asdict(scale)}
            connection.execute(sa.insert(_SCALES).prefix_with("OR REPLACE"), words)

    def measurements(self, role: Role | None = None) -> list[Measurement]:
        """Every measurement with at least one visit, oldest first; of one role if it is given."""
        query = (
            sa.select(
                _SUBJECTS.c.document,
                *(_MEASUREMENTS.c[name] for name in ("key", "target", "setup", "plan", "role", "repetition")),
                *(column for column in _VISITS.c if column.name not in ("id", "measurement_key")),
                _SCALES.c.reference_s,
            )
            .join_from(_VISITS, _MEASUREMENTS)
            .join(_SUBJECTS)
            .outerjoin(_SCALES, _SCALES.c.setup == _MEASUREMENTS.c.setup)
            .order_by(_VISITS.c.id)
        )
        if role is not None:
            query = query.where(_MEASUREMENTS.c.role == role)
        with self._reading(), self._engine.connect() as connection:
            rows: list[Row] = [dict(row) for row in connection.execute(query).mappings()]
        return measurements_from_rows(rows, self.path)

    def add_all(self, measurements: Iterable[Measurement]) -> int:
        """Write the visits of measurements from elsewhere, leaving out those that are here; the number written."""
        present = {_visit_identity(known, visit) for known in self.measurements() for visit in known.visits}
        written = 0
        for measurement in measurements:
            subject, setup, plan = measurement.subject, measurement.setup, measurement.plan
            if measurement.reference_s is not None and self.scale(setup) is None:
                begun_at = measurement.visits[0].started_at
                self.keep_scale(setup, Scale(measurement.reference_s, len(measurement.visits), True, begun_at))
            for visit in measurement.visits:
                if _visit_identity(measurement, visit) not in present:
                    self.add_visit(subject, setup, plan, visit, measurement.role, measurement.repetition)
                    written += 1
        return written


def _visit_identity(measurement: Measurement, visit: Visit) -> tuple[object, ...]:
    """What tells one visit from all others."""
    setup, plan = measurement.setup, measurement.plan
    return measurement.subject, setup, plan, measurement.role, measurement.repetition, visit.started_at
