from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latkit.errors import MeasurementConflict, NotMeasured, UsageError
from latkit.timing import (
    ESTIMATORS,
    Measurement,
    Setup,
    TimingPlan,
    Visit,
    estimate,
    is_settled,
    reference_seconds,
)
from latkit.timing.visits import visit_turns
from tests.builders import PLAN, SETUP, TARGET, conv, make_measurement, make_visit


def measurement(*visits: Visit) -> Measurement:
    return Measurement(conv(8), TARGET, SETUP, PLAN, visits)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_runs_that_all_take_the_same_time_give_that_time(name: str) -> None:
    pinned = replace(SETUP, affinity="0")
    found = estimate(make_measurement(conv(8), 4_000_000, setup=pinned), reference_s=0.001, estimator=name)
    assert found.seconds == pytest.approx(0.004)
    assert found.low_s == pytest.approx(0.004)
    assert found.high_s == pytest.approx(0.004)


@pytest.mark.parametrize("name", ["matched", "steady", "floor", "level", "paired", "ratio"])
@given(slower=st.floats(0.5, 3))
def test_a_device_that_slows_down_as_a_whole_changes_no_ratio(name: str, slower: float) -> None:
    slowed = measurement(*(make_visit([int(4e6 * slower)] * 3, int(1e6 * slower)) for _ in range(2)))
    assert estimate(slowed, 0.001, name).seconds == pytest.approx(0.004, rel=1e-5)


def test_the_floor_ignores_one_disturbed_visit() -> None:
    disturbed = measurement(make_visit([9_000_000] * 3), make_visit([4_000_000] * 3))
    assert estimate(disturbed, 0.001, "floor").seconds == pytest.approx(0.004)
    assert estimate(disturbed, 0.001, "floor").high_s > 0.004


def test_the_floor_of_a_single_thread_leaves_out_the_time_it_waited() -> None:
    waited = replace(make_visit([7_000_000, 8_000_000]), cpu_ns=(4_000_000, 4_000_000))
    alone, together = measurement(waited), replace(measurement(waited), target=replace(TARGET, threads=2))
    on_gpu = replace(measurement(waited), target=replace(TARGET, runtime="torch_cuda"))
    assert estimate(alone, 0.001, "floor").seconds == pytest.approx(0.004)
    assert estimate(together, 0.001, "floor").seconds == pytest.approx(0.007)
    assert estimate(on_gpu, 0.001, "floor").seconds == pytest.approx(0.007)


def test_one_cpu_time_that_falls_short_of_all_others_is_no_floor() -> None:
    wrong = replace(make_visit([5_000_000] * 4), cpu_ns=(1_000_000, 4_000_000, 4_000_000, 4_000_000))
    assert estimate(measurement(wrong), 0.001, "floor").seconds == pytest.approx(0.004)


def turns(subject_ns: list[int], reference_ns: list[int]) -> Visit:
    """A visit of as many turns as there are runs of the subject, each after two runs of the reference."""
    reference = tuple(ns for ns in reference_ns for _ in range(2))
    return replace(
        make_visit(subject_ns),
        reference_wall_ns=reference,
        reference_cpu_ns=reference,
        conditions={"turn": {"subject_runs": 1, "reference_runs": 2}},
    )


def test_a_pair_sets_a_run_beside_the_reference_runs_around_it() -> None:
    slow_in_the_middle = turns([40_000_000, 80_000_000, 60_000_000], [1_000_000, 1_000_000, 3_000_000])
    # around the runs: (1 + 1) / 2, (1 + 3) / 2 and 3 ms; so they take 40, 40 and 20 references
    assert estimate(measurement(slow_in_the_middle), 0.001, "paired").seconds == pytest.approx(0.040)


def test_the_reference_around_a_run_is_that_before_and_after_it_and_after_the_last_none() -> None:
    _, around = visit_turns(turns([1, 1, 1], [1_000_000, 1_000_000, 3_000_000]), alone=True)
    assert around == pytest.approx([0.001, 0.002, 0.003])


def test_a_few_runs_that_were_held_up_alone_hardly_move_the_level() -> None:
    runs = [80_000_000 if number % 10 == 3 else 40_000_000 for number in range(30)]
    found = estimate(measurement(turns(runs, [1_000_000] * 30)), 0.001, "level").seconds
    assert found == pytest.approx(0.040, rel=0.01)


def test_the_level_is_what_a_run_takes_in_quiet_moments_however_it_suffers_in_others() -> None:
    for suffering in (1.0, 1.6):
        speeds = [1.0, 1.0, 1.2, 1.25, 1.0, 1.2] * 5
        runs = [round(40e6 * slow**suffering) for slow in speeds]
        slowed = turns(runs, [round(1e6 * slow) for slow in speeds])
        fastest_only = turns([40_000_000] * 30, [1_000_000] * 30)
        quiet = estimate(measurement(fastest_only), 0.001, "level").seconds
        assert estimate(measurement(slowed, slowed), 0.001, "level").seconds == pytest.approx(quiet, rel=0.03)


def test_short_runs_are_matched_by_their_floor_and_long_runs_by_their_level() -> None:
    for longer, name in [(1, "floor"), (100, "level")]:
        runs = [ns * longer * 10_000 for ns in (40, 60, 60)]
        visits = measurement(turns(runs, [1_000_000] * 3), turns(runs, [1_000_000] * 3))
        matched = estimate(visits, 0.001, "matched").seconds
        assert matched == pytest.approx(estimate(visits, 0.001, name).seconds, rel=1e-3)


def test_a_long_subject_is_settled_when_its_level_is_sure_whatever_its_floors_do() -> None:
    plan = replace(PLAN, visits=4)
    speeds = (1.0, 1.1, 1.2, 1.05)
    agreeing = [turns([round(1e7 * slow**1.2)] * 2, [round(1e6 * slow)] * 2) for slow in speeds]
    disagreeing = [turns([round(1e7 * slow)] * 2, [1_000_000] * 2) for slow in speeds]
    assert is_settled(agreeing, plan, 0.001, alone=True)
    assert not is_settled(disagreeing, plan, 0.001, alone=True)
    assert not is_settled(agreeing[:3], plan, 0.001, alone=True)


def test_a_short_subject_is_settled_when_its_floors_agree_on_a_quiet_device() -> None:
    visits = [make_visit([100_000] * 3)] * 3
    assert is_settled(visits, PLAN, quiet_reference_s=0.001, alone=True)
    assert not is_settled(visits, PLAN, quiet_reference_s=0.0009, alone=True)
    assert not is_settled([*visits[:1], make_visit([110_000] * 3)], PLAN, quiet_reference_s=0.001, alone=True)


def test_preempted_runs_are_set_aside_unless_all_were() -> None:
    some = measurement(make_visit([1_000_000, 4_000_000], preemptions=(1, 0)))
    every = measurement(make_visit([1_000_000, 4_000_000], preemptions=(1, 1)))
    assert estimate(some, 0.001, "minimum").seconds == pytest.approx(0.004)
    assert estimate(every, 0.001, "minimum").seconds == pytest.approx(0.001)


@given(st.lists(st.lists(st.integers(1, 10**9), min_size=1, max_size=5), min_size=1, max_size=6))
def test_an_interval_holds_its_estimate(runs: list[list[int]]) -> None:
    for name in ESTIMATORS:
        found = estimate(measurement(*(make_visit(wall) for wall in runs)), 0.001, name)
        assert 0 < found.low_s <= found.seconds <= found.high_s


def test_the_quiet_reference_is_that_of_the_fastest_visits() -> None:
    visits = [make_visit([1], reference_ns=ns) for ns in [1_000_000] * 3 + [2_000_000] * 17]
    assert reference_seconds([measurement(*visits)]) == pytest.approx(0.001)


def test_what_was_not_measured_is_an_error() -> None:
    with pytest.raises(NotMeasured, match="no visit"):
        estimate(measurement(), 0.001)
    with pytest.raises(NotMeasured, match="latkit collect"):
        reference_seconds([])


def test_an_unknown_estimator_is_an_error_that_names_the_known() -> None:
    with pytest.raises(UsageError, match=r"'mean'.*floor"):
        estimate(make_measurement(conv(8), 1), 0.001, "mean")


def test_setups_that_differ_say_in_what() -> None:
    other = Setup(**{name: getattr(SETUP, name) for name in SETUP.__slots__} | {"runtime_version": "runtime 2"})
    with pytest.raises(MeasurementConflict, match="runtime_version 'runtime 1' and 'runtime 2'"):
        SETUP.check_same(other)


@pytest.mark.parametrize(
    "broken",
    [
        {"wall_ns": ()},
        {"reference_wall_ns": ()},
        {"cpu_ns": (1, 2)},
        {"wall_ns": (0,), "cpu_ns": (0,), "preemptions": (0,)},
    ],
)
def test_a_visit_without_whole_samples_is_refused(broken: dict[str, tuple[int, ...]]) -> None:
    whole = {
        "wall_ns": (5,),
        "cpu_ns": (5,),
        "preemptions": (0,),
        "reference_wall_ns": (5,),
        "reference_cpu_ns": (5,),
    }
    with pytest.raises(UsageError):
        Visit(0.0, **(whole | broken))


def test_a_plan_has_positive_numbers() -> None:
    with pytest.raises(UsageError, match="positive"):
        TimingPlan(visits=0)
