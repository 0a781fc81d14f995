"""Where the time of a collection went."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latkit.profiling import CollectionSummary
from latkit.profiling.summary import Ledger
from tests.builders import make_round


def test_the_columns_add_up() -> None:
    ledger = Ledger()
    reported = {"push_s": 1.0, "load_s": 2.0, "cooled_s": 9.0, "inference_ns": 3_000_000_000}
    ledger.add(replace(make_round([5]), conditions=reported))
    ledger.add(replace(make_round([5]), conditions={"lost_s": 4.0, "inference_ns": 1_000_000_000}))
    columns = ledger.columns(seconds=30.0, export_s=0.5)
    assert columns == {
        "seconds": 30.0,
        "inference_seconds": 4.0,
        "export_seconds": 0.5,
        "push_seconds": 1.0,
        "load_seconds": 2.0,
        "lost_seconds": 4.0,
        "idle_seconds": 18.5,
    }


def test_an_agent_that_reports_no_inference_time_is_counted_by_its_samples() -> None:
    ledger = Ledger()
    ledger.add(replace(make_round([500_000_000] * 2, reference_ns=1_000_000_000), conditions={}))
    assert ledger.columns(10.0, 0.0)["inference_seconds"] == pytest.approx(4.0)


def test_two_collections_as_one() -> None:
    first = CollectionSummary(
        2, 5, 1, {"a": "no"}, finished=False, seconds=3.0, inference_seconds=2.0, idle_seconds=1.0
    )
    later = CollectionSummary(1, 4, 0, {"b": "no"}, finished=True, seconds=1.0, inference_seconds=0.5, load_seconds=0.5)
    assert first.plus(later) == CollectionSummary(
        3, 9, 1, {"a": "no", "b": "no"}, True, 4.0, 2.5, load_seconds=0.5, idle_seconds=1.0
    )
