"""The store: one SQLite file per target, committed round by round, so that a kill loses at most the round in flight."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.dialects.sqlite import insert

from latkit._io import host_error, one_line, other_format, parse_json, reading
from latkit._version import __version__
from latkit.errors import BadFile, InvalidMeasurement, LatkitError, UsageError
from latkit.measurements.rows import (
    EXPECTED,
    Row,
    RowReader,
    conditions_from_document,
    encode_samples,
    environment_document,
    environment_from_document,
    measurement_columns,
    measurements_from_rows,
    reason_of,
    workload_document,
)
from latkit.measurements.sqlite_errors import is_busy, store_error
from latkit.measurements.unreadable import Unreadable, name_unreadable
from latkit.ops import digest
from latkit.targets import Target
from latkit.timing import Baseline, Environment, Measurement, Role, Round, TimingPlan, Workload
from latkit.timing.measurement import LAST_MOMENT_S

APPLICATION_ID = 0x4C41544B
"""`LATK`: marks a SQLite file as latkit's."""

FORMAT_VERSION = 2
"""Version 2 added `baselines`. Files of version 1 get it when they are opened."""

_RELEASE = "written_by"
"""Table with one row and one column, `latkit`: the version that made the file's tables. Earlier files lack it."""

BUSY_S = 60.0
"""Maximum time to wait for another process that locks the file."""
PATIENCE_S = 2.0
"""After this time, a warning about the wait is printed."""
MAX_LATEST_ROWS = 20
"""Maximum number of rounds to search for the latest readable one."""

_LOG = logging.getLogger("latkit.measurements")
_METADATA = sa.MetaData()

_WORKLOADS = sa.Table(
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

_ROUNDS = sa.Table(
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

_WRITTEN_BY = sa.Table(_RELEASE, _METADATA, sa.Column("latkit", sa.String, nullable=False))

_BASELINES = sa.Table(
    "scales",
    _METADATA,
    sa.Column("setup", sa.Text, primary_key=True),
    sa.Column("reference_s", sa.Float, nullable=False),
    sa.Column("visits", sa.Integer, nullable=False),
    sa.Column("quiet", sa.Boolean, nullable=False),
    sa.Column("established_at", sa.Float, nullable=False),
)


class Store:
    """Measurements of one target in one SQLite file. Use as a context manager, or close it.

    Readers skip rows that cannot be read, and name them once in a warning. If another process holds the file, the store
    waits with a warning, then raises StoreBusy. DiskFull and WriteError are errors of this machine.
    """

    def __init__(self, path: Path, target: Target, busy_s: float = BUSY_S) -> None:
        """Open the file, or create it. Raises BadFile if it is corrupt, not latkit's or of another version.

        `busy_s`: maximum time to wait for another process that locks it.
        """
        self.path = path
        self.target = target
        self._busy_s = busy_s
        self._reader = RowReader()
        self._logging = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise host_error(error, path.parent) or error from error
        patience_s = min(PATIENCE_S, busy_s)
        self._engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": patience_s}
        )
        sa.event.listen(self._engine, "connect", _keep_spoilt_text)
        try:
            self._prepare()
        except LatkitError:
            self.close()
            raise

    def _prepare(self) -> None:
        """Create the tables that the file lacks in one transaction, since another process may read the file or kill
        this one.
        """
        with self._reading() as connection:
            if self._is_complete(connection):
                return
        with self._transaction("BEGIN IMMEDIATE") as connection:
            if not self._is_complete(connection):
                _METADATA.create_all(connection)
                connection.execute(sa.text(f"PRAGMA application_id = {APPLICATION_ID}"))
                connection.execute(sa.text(f"PRAGMA user_version = {FORMAT_VERSION}"))
                connection.execute(_WRITTEN_BY.delete())
                connection.execute(_WRITTEN_BY.insert().values(latkit=__version__))

    def _is_complete(self, connection: sa.Connection) -> bool:
        """Whether the file is of this version; False if it is empty or of version 1. Raises BadFile otherwise."""
        tables = connection.scalar(sa.text("SELECT count(*) FROM sqlite_master"))
        application = connection.scalar(sa.text("PRAGMA application_id"))
        version = connection.scalar(sa.text("PRAGMA user_version"))
        if tables == 0 and application in (0, APPLICATION_ID):
            return False
        if application != APPLICATION_ID:
            raise BadFile(self.path, EXPECTED, "another program's SQLite file")
        if version not in (1, FORMAT_VERSION):
            found = other_format(version, [str(FORMAT_VERSION)], release=_release(connection))
            raise BadFile(self.path, f"measurements of format {FORMAT_VERSION}", found)
        return bool(version == FORMAT_VERSION)

    @contextmanager
    def _transaction(self, *begin: str) -> Iterator[sa.Connection]:
        """A transaction that begins with these statements, once no other process holds the file."""
        with reading(
            self.path, "latkit's measurements in SQLite"
        ):  # a broken schema can make its driver raise anything
            try:
                with self._engine.begin() as connection:
                    for statement in begin:
                        self._patiently(connection, statement)
                    yield connection
            except sa.exc.DBAPIError as error:
                raise store_error(error, self.path) from error

    def _reading(self) -> AbstractContextManager[sa.Connection]:
        return self._transaction("BEGIN", "SELECT count(*) FROM sqlite_master")

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction. The first one enables write-ahead logging: one disk sync per commit in place of four."""
        if not self._logging:
            with self._transaction("PRAGMA journal_mode = WAL"):
                self._logging = True
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    def _patiently(self, connection: sa.Connection, statement: str) -> None:
        """Execute a statement, and retry while another process holds the file."""
        deadline, is_reported = time.monotonic() + self._busy_s, False
        while True:
            try:
                connection.execute(sa.text(statement))
            except sa.exc.DBAPIError as error:
                if not is_busy(error) or time.monotonic() >= deadline:
                    raise
                if not is_reported:
                    _LOG.warning(one_line(f"{self.target}: waiting for another process to let go of {self.path}"))
                is_reported = True
            else:
                return

    def close(self) -> None:
        """Close the file, and merge the write-ahead log into it."""
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

    def add_round(
        self,
        workload: Workload,
        environment: Environment,
        plan: TimingPlan,
        one_round: Round,
        role: Role = "fit",
        repetition: int = 0,
    ) -> None:
        """Write one round and commit it. It belongs to the measurement of the same workload, environment, plan and
        role.

        Raises InvalidMeasurement if the round could not be read back; then nothing is written.
        """
        columns, document, samples = self._readable_row(
            measurement_columns(workload, self.target, environment, plan, role, repetition), workload, one_round
        )
        with self._writing() as connection:
            connection.execute(_PUT_WORKLOAD, {"key": workload.key, "document": document})
            connection.execute(_PUT_MEASUREMENT, {"key": digest(columns), **columns})
            connection.execute(sa.insert(_ROUNDS), {"measurement_key": digest(columns), **samples})

    def _readable_row(
        self, columns: dict[str, str | int], workload: Workload, one_round: Round
    ) -> tuple[dict[str, str | int], str, dict[str, Any]]:
        """The row to write, parsed once by the reader's own rules."""
        try:
            with reading("a round", EXPECTED):
                document = json.dumps(workload_document(workload))
                conditions = json.dumps(one_round.conditions)
                parse_json(conditions)  # slightly stricter than the reader, which has to read what older versions wrote
                samples = {"started_at": one_round.started_at, **encode_samples(one_round), "conditions": conditions}
            self._reader.read({**columns, "document": document, **samples})
        except UsageError as error:
            raise InvalidMeasurement(
                f"a round of {one_line(workload.title)} on {self.target} is not kept, "
                f"since it could not be read again: {reason_of(error)}"
            ) from error
        return columns, document, samples

    def latest_environment(self) -> Environment | None:
        """The environment of the latest round of any role; None if there is none."""
        moment = _ROUNDS.c.started_at
        dated = sa.and_(sa.func.typeof(moment).in_(("real", "integer")), moment >= 0, moment < LAST_MOMENT_S)
        query = (
            sa.select(_raw(_MEASUREMENTS.c["setup"]))
            .join_from(_ROUNDS, _MEASUREMENTS)
            .where(dated)
            .group_by(_MEASUREMENTS.c["setup"])
            .order_by(sa.func.max(moment).desc())
        )
        return next(iter(self._environments(query)), None)

    def environments(self) -> list[Environment]:
        """Every environment with a measurement."""
        return self._environments(sa.select(_raw(_MEASUREMENTS.c["setup"])).distinct())

    def _environments(self, query: sa.Select[Any]) -> list[Environment]:
        """The readable environments of a query; other unreadable parts of their rows are named by `measurements`."""
        with self._reading() as connection:
            found = connection.scalars(query).all()
        environments = []
        for text in found:
            with suppress(UsageError):
                environments.append(environment_from_document(text))
        return environments

    def latest_boot_id(self) -> str:
        """The boot id reported by the latest round; empty if it reported none."""
        query = sa.select(_raw(_ROUNDS.c.conditions)).order_by(_ROUNDS.c.id.desc()).limit(MAX_LATEST_ROWS)
        with self._reading() as connection:
            found = connection.scalars(query).all()
        for text in found:
            with suppress(UsageError):
                return str(conditions_from_document(text).get("boot_id", ""))
        return ""

    def baseline(self, environment: Environment) -> Baseline | None:
        """The reference's latency on the idle device in this environment; None if not established yet."""
        baselines, spoilt = self._baselines()
        name_unreadable(self.path, self.target, spoilt)
        return baselines.get(environment_document(environment))

    def _baselines(self) -> tuple[dict[str, Baseline], list[Unreadable]]:
        """The baselines by their environments, and the rows that cannot be read."""
        with self._reading() as connection:
            rows = connection.execute(sa.select(_ROW_NUMBER, *map(_raw, _BASELINES.c))).mappings().all()
        baselines: dict[str, Baseline] = {}
        spoilt: list[Unreadable] = []
        for row in rows:
            try:
                with reading("a scale", EXPECTED):
                    environment_from_document(row["setup"])
                    values = {name: row[name] for name in _BASELINE_COLUMNS}
                    baselines[row["setup"]] = _BASELINE.validate_python({**values, "quiet": _flag(values["quiet"])})
            except UsageError as error:
                spoilt.append(Unreadable("scales", row["rowid"], reason_of(error)))
        return baselines, spoilt

    def save_baseline(self, environment: Environment, baseline: Baseline) -> None:
        """Save the baseline of this environment, and replace the earlier one."""
        columns = {"setup": environment_document(environment), **_BASELINE.dump_python(baseline, by_alias=True)}
        with self._writing() as connection:
            connection.execute(sa.insert(_BASELINES).prefix_with("OR REPLACE"), columns)

    def measurements(self, role: Role | None = None) -> list[Measurement]:
        """Every measurement with at least one readable round, oldest first; of one role if it is given."""
        found, spoilt = self._read(role)
        name_unreadable(self.path, self.target, spoilt)
        return found

    def measurements_of(self, key: str) -> list[Measurement]:
        """The measurements of the workload of that key, and every profile of a model file; the others are not read."""
        return self._read(None, sa.or_(_MEASUREMENTS.c.subject_key == key, _MEASUREMENTS.c.role == "profile"))[0]

    def unreadable(self) -> list[Unreadable]:
        """The rows that cannot be read, with reasons."""
        return self._read(None)[1]

    def remove(self, rows: Iterable[Unreadable]) -> None:
        """Remove rows that `unreadable` returned. All others stay."""
        tables = {"visits": _ROUNDS, "scales": _BASELINES}
        with self._writing() as connection:
            for row in rows:
                connection.execute(sa.delete(tables[row.table]).where(_ROW_NUMBER.in_([row.key])))

    def _read(
        self, role: Role | None, which: sa.ColumnElement[bool] | None = None
    ) -> tuple[list[Measurement], list[Unreadable]]:
        """Every measurement, and the rows that cannot be read. A round without its measurement is among them."""
        baselines, spoilt = self._baselines()
        query = (
            sa.select(
                _raw(_ROUNDS.c.id),
                _raw(_WORKLOADS.c.document),
                *(_raw(_MEASUREMENTS.c[name]) for name in ("target", "setup", "plan", "role", "repetition")),
                *(_raw(column) for column in _ROUNDS.c if column.name not in ("id", "measurement_key")),
            )
            .select_from(_ROUNDS)
            .outerjoin(_MEASUREMENTS, _MEASUREMENTS.c.key == _ROUNDS.c.measurement_key)
            .outerjoin(_WORKLOADS, _WORKLOADS.c.key == _MEASUREMENTS.c.subject_key)
            .order_by(_ROUNDS.c.id)
        )
        if role is not None:
            query = query.where(_MEASUREMENTS.c.role == role)
        if which is not None:
            query = query.where(which)
        with self._reading() as connection:
            found: list[Row] = [dict(row) for row in connection.execute(query).mappings()]
        rows = ({**row, "reference_s": _reference_s(baselines, row["setup"])} for row in found)
        measurements = measurements_from_rows(
            rows, self.path, lambda row, reason: spoilt.append(Unreadable("visits", row["id"], reason))
        )
        return measurements, spoilt

    def add_all(self, measurements: Iterable[Measurement]) -> int:
        """Write the rounds of imported measurements, except those already stored; return the number written."""
        present = {_round_identity(known, one_round) for known in self.measurements() for one_round in known.rounds}
        written = 0
        for measurement in measurements:
            workload, environment, plan = measurement.workload, measurement.environment, measurement.plan
            if measurement.reference_s is not None and self.baseline(environment) is None:
                begun_at = measurement.rounds[0].started_at
                self.save_baseline(
                    environment, Baseline(measurement.reference_s, len(measurement.rounds), True, begun_at)
                )
            for one_round in measurement.rounds:
                if _round_identity(measurement, one_round) not in present:
                    self.add_round(workload, environment, plan, one_round, measurement.role, measurement.repetition)
                    written += 1
        return written


_BASELINE = TypeAdapter(Baseline)
_BASELINE_COLUMNS = ("reference_s", "visits", "quiet", "established_at")
_ROW_NUMBER: sa.ColumnClause[int] = sa.literal_column("rowid", sa.Integer)
"""SQLite's own row number."""


def _keep_spoilt_text(connection: Any, _record: object) -> None:
    """Decode text that is not UTF-8 with lone surrogates, which make its row unreadable, and not the whole file."""
    connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")


def _raw(column: sa.Column[Any]) -> sa.Label[Any]:
    """A column's value as SQLite has it. Any column may hold any value. Converting it may fail, or
    exhaust the memory.
    """
    return sa.type_coerce(column, sa.types.NULLTYPE).label(column.name)


def _upsert(table: sa.Table) -> sa.Insert:
    """Inserts a row, or updates the row with the same key if it differs; else nothing is written."""
    statement = insert(table)
    changed = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
    differs = sa.or_(*(table.c[name].is_distinct_from(value) for name, value in changed.items()))
    return statement.on_conflict_do_update(index_elements=["key"], set_=changed, where=differs)


_PUT_WORKLOAD, _PUT_MEASUREMENT = _upsert(_WORKLOADS), _upsert(_MEASUREMENTS)


def _flag(value: object) -> object:
    """SQLite stores a truth value as 0 or 1."""
    return bool(value) if value in (0, 1) else value


def _reference_s(baselines: Mapping[str, Baseline], environment: object) -> float | None:
    baseline = baselines.get(environment) if isinstance(environment, str) else None
    return baseline.reference_s if baseline else None


def _round_identity(measurement: Measurement, one_round: Round) -> tuple[object, ...]:
    """What identifies a round."""
    environment, plan = measurement.environment, measurement.plan
    return measurement.workload, environment, plan, measurement.role, measurement.repetition, one_round.started_at


def _release(connection: sa.Connection) -> object:
    """The version of latkit that made the tables of a file; None where the file does not say it."""
    with suppress(sa.exc.DatabaseError):
        return connection.scalar(sa.select(_WRITTEN_BY.c.latkit))
    return None
