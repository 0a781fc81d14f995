"""Converts measurements to rows of a database or a Parquet file, and back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from latkit._io import one_line, parse_json, reading
from latkit._io.reading import describe_error
from latkit.errors import BadFile, UsageError
from latkit.graphs import Graph, ModelFile
from latkit.ops import Network, Op
from latkit.targets import Target
from latkit.timing import Environment, Measurement, Role, Round, TimingPlan, Workload
from latkit.timing.measurement import MAX_COUNT, MAX_NS, MAX_RUNS

Row = Mapping[str, Any]
"""One round, with the workload, target, environment, plan, role and repetition of its measurement."""

EXPECTED = "latkit's measurements"

Identity = tuple[object, ...]
"""The columns of a row that belong to the round and not to its measurement."""
IDENTITY = ("document", "target", "setup", "plan", "role", "repetition")

MAX_CONDITIONS_CHARS = 2**20
_SUSPICIOUS = re.compile(r"\d{19}|[eE]\+?\d\d|NaN|Infinity")
"""Encodes JSON; fails for numbers that are not finite or have more than 64 bits."""

SAMPLES = ("wall_ns", "cpu_ns", "preemptions", "reference_wall_ns", "reference_cpu_ns")
"""The raw samples of a round, one integer per run."""

_ENVIRONMENT = TypeAdapter(Environment)
_PLAN = TypeAdapter(TimingPlan)
_ROLE: TypeAdapter[Role] = TypeAdapter(Role)
_CONDITIONS = TypeAdapter(dict[str, object])


def workload_document(workload: Workload) -> dict[str, object]:
    """A workload as a JSON document."""
    return workload.to_json()


def workload_from_document(document: object) -> Workload:
    """The workload of a JSON document. Raises UsageError."""
    names = set(document) if isinstance(document, dict) else set()
    if "nodes" in names:
        return Graph.from_json(document)
    if "sha256" in names:
        return ModelFile.from_json(document)
    return Network.from_json(document) if "ops" in names else Op.from_json(document)


def measurement_columns(
    workload: Workload, target: Target, environment: Environment, plan: TimingPlan, role: Role, repetition: int
) -> dict[str, str | int]:
    """What identifies a measurement, as plain columns."""
    return {
        "subject_key": workload.key,
        "target": str(target),
        "setup": environment_document(environment),
        "plan": json.dumps(plan.to_json(), sort_keys=True),
        "role": role,
        "repetition": repetition,
    }


_LATER_FIELDS = {"governor": "", "scale": 0, "emulated": False, "agent": "python"}
"""Fields that early environments lack, with the value that stands for their absence."""


def _environment_document(environment: Environment) -> dict[str, object]:
    """An environment as JSON. Fields with their original default are omitted, as in earlier files."""
    columns = environment.to_json()
    return {name: value for name, value in columns.items() if name not in _LATER_FIELDS or value != _LATER_FIELDS[name]}


def environment_document(environment: Environment) -> str:
    """An environment as the text that identifies it."""
    return json.dumps(_environment_document(environment), sort_keys=True)


def environment_from_document(document: object) -> Environment:
    """The environment of a JSON document. Raises UsageError, BadFile."""
    with reading("a setup", EXPECTED):
        environment = _ENVIRONMENT.validate_python(parse_json(_text(document, "setup")))
        if not 0 <= environment.baseline <= MAX_COUNT:
            raise UsageError(f"expected scale from 0 to {MAX_COUNT}, but found {environment.baseline}")
        return environment


def conditions_from_document(document: object) -> dict[str, object]:
    """The conditions around a round, from their JSON document. Raises UsageError, BadFile."""
    with reading("conditions", EXPECTED):
        text = _text(document, "conditions")
        if len(text) > MAX_CONDITIONS_CHARS:
            raise UsageError(f"expected conditions of at most {MAX_CONDITIONS_CHARS} characters, but found {len(text)}")
        if _SUSPICIOUS.search(text):  # pydantic's parser is faster, but accepts numbers that fail later
            return _CONDITIONS.validate_python(parse_json(text))
        return _CONDITIONS.validate_json(text)


def encode_samples(one_round: Round) -> dict[str, bytes]:
    """A round's samples as little-endian 64-bit integers."""
    return {name: np.asarray(getattr(one_round, name), dtype="<i8").tobytes() for name in SAMPLES}


def _decode(samples: object) -> tuple[int, ...]:
    if isinstance(samples, bytes):
        if len(samples) > 8 * MAX_RUNS:
            raise UsageError(f"expected samples of at most {MAX_RUNS} runs, but found {len(samples) // 8}")
        return tuple(np.frombuffer(samples, dtype="<i8").tolist())
    if not isinstance(samples, list) or len(samples) > MAX_RUNS or not all(type(value) is int for value in samples):
        raise UsageError("expected samples as whole numbers, one per run")
    return tuple(samples)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"expected {name} as a text, but found {type(value).__name__}")
    return value


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(f"expected {name} as a number, but found {one_line(repr(value), 80)}")
    return float(value)


def _workload(document: str) -> Workload:
    """A workload whose figures can be computed and shown."""
    workload = workload_from_document(json.loads(document))
    f"{workload.title} {workload.key}".encode()  # raises for a lone surrogate
    if isinstance(workload, Graph):
        largest = max(tensor.elements for tensor in workload.tensors())
    else:
        largest = max(workload.macs, workload.parameters)
    if largest > MAX_NS:
        raise UsageError(f"expected a subject of at most {MAX_NS} MACs, parameters or elements of a tensor")
    return workload


def _plan(document: str) -> TimingPlan:
    return _PLAN.validate_python(parse_json(document))


class RowReader:
    """Reads rows that hold one round each. Each distinct text is parsed once: rounds share few environments."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Any] = {}

    def read(self, row: Row) -> tuple[Identity, Measurement, Round]:
        """The key of a row's measurement, the measurement without its rounds, and the row's round.

        Raises UsageError, which names the problem in one line.
        """
        with reading("a round", EXPECTED):
            reference_s = row.get("reference_s")
            measurement = Measurement(
                workload=self._parse("document", row, _workload),
                target=self._parse("target", row, Target.parse),
                environment=self._parse("setup", row, environment_from_document),
                plan=self._parse("plan", row, _plan),
                rounds=(),
                role=_ROLE.validate_python(row["role"]),
                repetition=_repetition(row["repetition"]),
                reference_s=None if reference_s is None else _positive(reference_s),
            )
            samples = {name: _decode(row[name]) for name in SAMPLES}
            started_at, conditions = _number(row["started_at"], "started_at"), row["conditions"]
            one_round = Round(started_at=started_at, conditions=conditions_from_document(conditions), **samples)
            return tuple(row[name] for name in IDENTITY), measurement, one_round

    def _parse(self, what: str, row: Row, parser: Callable[[str], Any]) -> Any:
        text = _text(row[what], what)
        if (what, text) not in self._known:
            self._known[what, text] = parser(text)
        return self._known[what, text]


def _repetition(value: object) -> int:
    if type(value) is not int or not 0 <= value <= MAX_COUNT:
        raise UsageError(f"expected a repetition from 0 to {MAX_COUNT}, but found {one_line(repr(value), 80)}")
    return value


def _positive(value: object) -> float:
    found = _number(value, "reference_s")
    if not 0 < found <= MAX_NS / 1e9:
        raise UsageError(f"expected reference_s above 0 and up to {MAX_NS / 1e9:.0f}, but found {found}")
    return found


def measurements_from_rows(
    rows: Iterable[Row], source: object, skip: Callable[[Row, str], None] | None = None
) -> list[Measurement]:
    """Measurements of rows that hold one round each, in order of their first round.

    An unreadable row is passed to `skip` with the reason, and left out. Without `skip`, it raises BadFile.
    """
    reader = RowReader()
    empty: dict[Identity, Measurement] = {}
    rounds: dict[Identity, list[Round]] = {}
    for row in rows:
        try:
            identity, measurement, one_round = reader.read(row)
        except UsageError as error:
            if skip is None:
                raise BadFile(source, EXPECTED, reason_of(error)) from error
            skip(row, reason_of(error))
            continue
        empty.setdefault(identity, measurement)
        rounds.setdefault(identity, []).append(one_round)
    return _merged(replace(empty[identity], rounds=tuple(rounds[identity])) for identity in empty)


def reason_of(error: UsageError) -> str:
    """Why a row cannot be read, in one line and without the name of what was read."""
    inner = error.__cause__ if isinstance(error, BadFile) else None
    return describe_error(inner or error)


def _merged(measurements: Iterable[Measurement]) -> list[Measurement]:
    """Merge the measurements of one graph: earlier versions serialized its attributes differently, so that its text
    differs.
    """
    found: dict[object, Measurement] = {}
    for place, measurement in enumerate(measurements):
        identity: object = place
        if isinstance(measurement.workload, Graph):
            identity = measurement.workload.key, *(getattr(measurement, name) for name in _IDENTITY)
        known = found.get(identity)
        found[identity] = measurement if known is None else replace(known, rounds=(*known.rounds, *measurement.rounds))
    return list(found.values())


_IDENTITY = ("target", "environment", "plan", "role", "repetition")
