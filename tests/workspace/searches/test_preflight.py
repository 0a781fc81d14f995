"""The inputs of a search: the tables that it began with, in every process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from latkit.errors import NotMeasured
from latkit.ops import Op
from latkit.search import Constraint, SearchSettings
from latkit.search.objectives.constraints import CONSTRAINTS_FILE, save_constraints
from latkit.search.records.result import table_hash
from latkit.spaces import proxyless_tiny
from latkit.tables import LatencyTable, PeakTable
from latkit.workspace.searches import preflight
from latkit.workspace.searches.preflight import Tables, shared, tables_of

SPACE = proxyless_tiny(resolution=16, width=0.5)


class ByMacs:
    """A model in which every op takes a fixed time per MAC."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def layer_seconds(self, ops: Sequence[Op]) -> list[float]:
        return [self.seconds * op.macs for op in ops]

    def base_seconds(self) -> float:
        return 1e-4

    def has_pairs(self, ops: Sequence[Op]) -> bool:
        return False

    def pair_seconds(self, producer: Op, consumer: Op) -> float:
        raise NotMeasured(f"{producer.kind} before {consumer.kind}")


def constraints(seconds: float) -> tuple[Constraint, ...]:
    return Constraint("there/tflite", LatencyTable(SPACE, ByMacs(seconds)), 2.0), Constraint(
        "peak_bytes", PeakTable(SPACE), 1e6
    )


def hashes(tables: Tables) -> list[str]:
    return [table_hash(table) for table in (tables.latency, *(constraint.table for constraint in tables.constraints))]


@pytest.fixture
def began(tmp_path: Path) -> Tables:
    """The tables with which a search in the folder began."""
    tables = Tables(LatencyTable(SPACE, ByMacs(1e-9)), constraints(2e-9))
    tables.latency.save(tmp_path / "table.json")
    save_constraints(tables.constraints, tmp_path / CONSTRAINTS_FILE)
    return tables


def test_a_search_goes_on_with_the_tables_that_it_began_with(began: Tables, tmp_path: Path) -> None:
    anew: Any = ByMacs(3e-9)
    resumed = tables_of(tmp_path, SPACE, anew, constraints(4e-9), resume=True)
    assert hashes(resumed) == hashes(began)
    assert isinstance(resumed.constraints[0].table, LatencyTable), "told in milliseconds"
    begun = tables_of(tmp_path, SPACE, anew, constraints(4e-9), resume=False)
    assert hashes(begun) == hashes(Tables(LatencyTable(SPACE, anew), constraints(4e-9)))
    other = [constraints(4e-9)[0], Constraint("peak_bytes", PeakTable(SPACE), 2e6)]
    assert [
        constraint.max_value for constraint in tables_of(tmp_path, SPACE, anew, other, resume=True).constraints
    ] == [2.0, 2e6]


def test_the_other_processes_take_the_first_ones_tables(began: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []

    def broadcast_from_main(work: Callable[[], bytes], _fabric: object) -> bytes:
        if not sent:
            sent.append(work())
        return sent[0]

    monkeypatch.setattr(preflight, "broadcast_from_main", broadcast_from_main)
    settings = SearchSettings.quick()
    assert shared(began, SPACE, began.constraints, settings) is began
    followed = shared(None, SPACE, constraints(4e-9), settings)
    assert hashes(followed) == hashes(began)
    assert isinstance(followed.constraints[0].table, LatencyTable)
