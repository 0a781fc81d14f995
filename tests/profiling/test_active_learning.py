import itertools
from pathlib import Path

import pytest

from latkit.measurements import Store
from latkit.ops import OVERHEAD_PROBE, Op, make_op
from latkit.profiling import Collection
from latkit.profiling.active_learning import BATCH, choose_ops, explore
from latkit.spaces import ChainSpace, Layer, proxyless_tiny, variations
from latkit.timing import TimingPlan
from tests.builders import TARGET
from tests.profiling.test_collector import ScriptedSession, export

SPACE = proxyless_tiny(resolution=16)
POOL = list(itertools.islice(variations(SPACE), 1000))
PLAN = TimingPlan(rounds=1, extra_rounds=0)


@pytest.fixture
def collection(tmp_path: Path):
    with Store(tmp_path / "m.sqlite", TARGET) as store:
        session = ScriptedSession({op.key: [2000 + op.macs] for op in [*SPACE.ops(), *POOL]})
        collection = Collection(session, store, export, PLAN)
        collection.run([OVERHEAD_PROBE, *SPACE.ops()])
        yield collection


def measured(collection: Collection) -> set[Op]:
    workloads = {m.workload for m in collection.store.measurements()}
    return {workload for workload in workloads if isinstance(workload, Op)} - {OVERHEAD_PROBE, *SPACE.ops()}


@pytest.mark.slow
def test_exactly_the_requested_number_of_ops_beyond_the_space_is_measured(collection: Collection) -> None:
    explored = explore(collection, SPACE, BATCH + 4)
    assert explored.finished
    assert explored.rounds == len(measured(collection)) == BATCH + 4
    assert measured(collection) < set(POOL)
    assert {op.kind for op in measured(collection)} == {op.kind for op in SPACE.ops()}
    assert explore(collection, SPACE, BATCH + 4).rounds == 0
    assert explore(collection, SPACE, BATCH + 6).rounds == 2


def test_what_was_begun_is_finished_first(collection: Collection) -> None:
    longer = Collection(collection.session, collection.store, export, TimingPlan(rounds=2, extra_rounds=0))
    longer.run([OVERHEAD_PROBE, *SPACE.ops()])
    longer.run(POOL[:2], max_seconds=0)
    begun = measured(collection)
    explore(longer, SPACE, 3)
    assert begun <= measured(collection)
    assert all(m.complete for m in collection.store.measurements() if m.plan == longer.plan)
    assert len(measured(collection)) == 3


@pytest.mark.slow
def test_an_op_that_cannot_be_measured_is_reported_and_not_tried_again(collection: Collection) -> None:
    assert isinstance(collection.session, ScriptedSession)
    known = {op: 1e-9 * op.macs for op in SPACE.ops()}
    collection.session.rejected = choose_ops(known, POOL, 4, SPACE.ops())[0].key
    explored = explore(collection, SPACE, 4)
    assert len(explored.failed) == 1
    assert len(measured(collection)) == 3


def test_kinds_of_many_ops_get_more_and_every_kind_gets_some() -> None:
    chosen = choose_ops({op: 1e-9 * max(op.macs, 1) for op in SPACE.ops()}, POOL, 20, SPACE.ops())
    counts = {kind: sum(op.kind == kind for op in chosen) for kind in ("mbconv", "conv", "linear", "pool")}
    assert sum(counts.values()) == len(set(chosen)) == 20
    assert counts["mbconv"] > counts["conv"] >= counts["linear"] >= 1
    assert counts["pool"] >= 1


def test_a_small_space_ends_when_it_has_no_more_variations(tmp_path: Path) -> None:
    layer = Layer("pool", tuple(make_op("pool", (4, 2, 2), kernel=kernel) for kernel in (3, 5)))
    space = ChainSpace("few", (layer,))
    with Store(tmp_path / "m.sqlite", TARGET) as store:
        collection = Collection(ScriptedSession(), store, export, PLAN)
        collection.run([OVERHEAD_PROBE, *space.ops()])
        explored = explore(collection, space, 50)
        assert explored.finished
        assert explored.rounds == len(list(variations(space)))
        assert explore(collection, space, 50).rounds == 0


def test_what_another_plan_began_does_not_keep_it_going(collection: Collection) -> None:
    explore(collection, SPACE, 2)
    longer = Collection(collection.session, collection.store, export, TimingPlan(rounds=2, extra_rounds=0))
    longer.run(list(measured(collection)), max_seconds=0)
    with collection.store as store:
        (op, *_) = measured(collection)
        complete = next(m for m in store.measurements() if m.workload == op)
        store.add_round(op, complete.environment, longer.plan, complete.rounds[0])  # one of two rounds: interrupted
        assert explore(collection, SPACE, 2).finished
