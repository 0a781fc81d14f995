"""How measurements are written as rows of a database or a Parquet file, and read back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, asdict, fields, replace
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from latkit.errors import BadFile, UsageError
from latkit.graphs import Graph
from latkit.ops import Network, Op
from latkit.targets import Target
from latkit.timing import Measurement, Role, Setup, Subject, TimingPlan, Visit

Row = Mapping[str, Any]
"""One visit, with the subject, target, setup, plan, role and repetition of its measurement."""

SAMPLES = ("wall_ns", "cpu_ns", "preemptions", "reference_wall_ns", "reference_cpu_ns")
"""The raw samples of a visit, one integer per run."""

_SETUP = TypeAdapter(Setup)
_PLAN = TypeAdapter(TimingPlan)
_ROLE: TypeAdapter[Role] = TypeAdapter(Role)
_CONDITIONS = TypeAdapter(dict[str, object])


def subject_document(subject: Subject) -> dict[str, object]:
    """An op, a network or a graph as a JSON document."""
    return subject.to_json()


def subject_from_document(document: object) -> Subject:
    """The op, network or graph of a JSON document. Raises UsageError."""
    names = set(document) if isinstance(document, dict) else set()
    if "nodes" in names:
        return Graph.from_json(document)
    return Network.from_json(document) if "ops" in names else Op.from_json(document)


def measurement_words(
    subject: Subject, target: Target, setup: Setup, plan: TimingPlan, role: Role, repetition: int
) -> dict[str, str | int]:
    """What identifies a measurement, as plain columns."""
    return {
        "subject_key": subject.key,
        "target": str(target),
        "setup": setup_document(setup),
        "plan": json.dumps(asdict(plan), sort_keys=True),
        "role": role,
        "repetition": repetition,
    }


_LATER_WORDS = {field.name: field.default for field in fields(Setup) if field.default is not MISSING}
"""What setups did not tell at first, and what it is where nothing is told."""


def _setup_document(setup: Setup) -> dict[str, object]:
    """A setup as JSON. What is as it always was at first is left out, as in earlier files."""
    words = asdict(setup)
    return {name: value for name, value in words.items() if name not in _LATER_WORDS or value != _LATER_WORDS[name]}


def setup_document(setup: Setup) -> str:
    """A setup as the text that identifies it."""
    return json.dumps(_setup_document(setup), sort_keys=True)


def setup_from_document(document: str, source: object) -> Setup:
    """The setup of a JSON document. Raises BadFile naming its source."""
    try:
        return _SETUP.validate_json(document)
    except ValidationError as error:
        raise BadFile(source, "latkit's measurements", str(error).splitlines()[0]) from error


def encode_samples(visit: Visit) -> dict[str, bytes]:
    """A visit's samples as little-endian 64-bit integers."""
    return {name: np.asarray(getattr(visit, name), dtype="<i8").tobytes() for name in SAMPLES}


def _decode(samples: bytes | list[int]) -> tuple[int, ...]:
    if isinstance(samples, bytes):
        return tuple(np.frombuffer(samples, dtype="<i8").tolist())
    return tuple(int(value) for value in samples)


def _visit(row: Row) -> Visit:
    samples = {name: _decode(row[name]) for name in SAMPLES}
    return Visit(
        started_at=float(row["started_at"]), conditions=_CONDITIONS.validate_json(row["conditions"]), **samples
    )


class _Memo:
    """Parses each distinct text once: thousands of visits share a handful of setups and plans."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Any] = {}

    def parse(self, what: str, text: str, parser: Callable[[str], Any]) -> Any:
        if (what, text) not in self._known:
            self._known[what, text] = parser(text)
        return self._known[what, text]


def measurements_from_rows(rows: Iterable[Row], source: object) -> list[Measurement]:
    """Measurements of rows that hold one visit each, in order of their first visit. Raises BadFile."""
    memo = _Memo()
    empty: dict[tuple[object, ...], Measurement] = {}
    visits: dict[tuple[object, ...], list[Visit]] = {}
    try:
        for row in rows:
            identity = tuple(row[name] for name in ("document", "target", "setup", "plan", "role", "repetition"))
            if identity not in empty:
                empty[identity] = Measurement(
                    subject=memo.parse(
                        "subject", row["document"], lambda text: subject_from_document(json.loads(text))
                    ),
                    target=memo.parse("target", row["target"], Target.parse),
                    setup=memo.parse("setup", row["setup"], _SETUP.validate_json),
                    plan=memo.parse("plan", row["plan"], _PLAN.validate_json),
                    visits=(),
                    role=_ROLE.validate_python(row["role"]),
                    repetition=int(row["repetition"]),
                    reference_s=row.get("reference_s"),
                )
                visits[identity] = []
            visits[identity].append(_visit(row))
    except (ValidationError, ValueError, TypeError, KeyError, UsageError) as error:
        raise BadFile(source, "latkit's measurements", str(error).splitlines()[0]) from error
    return [replace(empty[identity], visits=tuple(visits[identity])) for identity in empty]
