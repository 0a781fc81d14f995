"""Whether a target's speed is unchanged, with a session that answers at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from latkit.errors import MeasurementConflict
from latkit.measurements import Store
from latkit.profiling import Collection, ensure_baseline, recheck, with_baseline
from latkit.timing import REFERENCE, TimingPlan
from tests.builders import ENVIRONMENT, TARGET
from tests.profiling.test_collector import OPS, ScriptedSession, export

PLAN = TimingPlan(rounds=6)
pytestmark = pytest.mark.usefixtures("speed_is_judged")
REFERENCE_FILE = export(REFERENCE)


@pytest.fixture
def store(tmp_path: Path):
    """A target that was measured while its reference took 1000 ns."""
    with Store(tmp_path / "m.sqlite", TARGET) as opened:
        Collection(ScriptedSession(), opened, export, PLAN).run(OPS)
        yield opened


def again(store: Store, reference_ns: int, new: bool = False) -> tuple[Collection, list[str]]:
    messages: list[str] = []
    session = ScriptedSession(reference_ns=reference_ns)
    return with_baseline(
        Collection(session, store, export, PLAN), REFERENCE_FILE, new, messages.append, pause_s=0
    ), messages


def test_the_baseline_is_established_once_there_are_enough_rounds(store: Store, tmp_path: Path) -> None:
    saved = ensure_baseline(store, ENVIRONMENT)
    assert saved is not None
    assert saved.reference_s == pytest.approx(1e-6)
    Collection(ScriptedSession(reference_ns=800), store, export, PLAN).run(OPS, repetition=1)
    assert ensure_baseline(store, ENVIRONMENT) == saved, "later visits do not move it"
    with Store(tmp_path / "other.sqlite", TARGET) as empty:
        assert ensure_baseline(empty, ENVIRONMENT) is None


def test_a_device_as_it_was_is_timed_once(store: Store) -> None:
    baseline = ensure_baseline(store, ENVIRONMENT)
    assert baseline is not None
    session = ScriptedSession(reference_ns=1050)
    found = recheck(session, REFERENCE_FILE, baseline, TARGET, pause_s=0)
    assert (found.moved, found.changed) == (pytest.approx(0.05), False)
    assert len(session.visited) == 1
    assert str(found) == "the reference takes 1.0 µs, as before"


def test_a_smaller_change_is_reported(store: Store) -> None:
    collection, messages = again(store, 1300)
    assert collection.environment() == ENVIRONMENT
    assert messages == [
        "board/onnxruntime-t1-fp32-b1: the reference takes +30% beside the 1.0 µs saved for the idle device"
    ]


@pytest.mark.parametrize("reference_ns", [1600, 700])
def test_a_device_of_another_speed_is_refused_until_it_is_measured_anew(store: Store, reference_ns: int) -> None:
    with pytest.raises(MeasurementConflict, match=r"the device has changed .* --rebaseline"):
        again(store, reference_ns)
    collection, messages = again(store, reference_ns, new=True)
    assert (collection.environment(), messages) == (replace(ENVIRONMENT, baseline=1), [])
    assert collection.run(OPS).resumed == 0, "nothing is mixed"
    collection, messages = again(store, reference_ns)
    assert (collection.environment(), messages) == (replace(ENVIRONMENT, baseline=1), [])
    assert store.baseline(replace(ENVIRONMENT, baseline=1)) is not None
