from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latkit.errors import MeasurementConflict, NotMeasured, UsageError
from latkit.timing import (
    ESTIMATORS,
    Environment,
    Measurement,
    Round,
    TimingPlan,
    estimate,
    estimator_name,
    has_converged,
    reference_seconds,
)
from latkit.timing.rounds import round_blocks
from tests.builders import ENVIRONMENT, PLAN, TARGET, conv, make_measurement, make_round


def measurement(*rounds: Round) -> Measurement:
    return Measurement(conv(8), TARGET, ENVIRONMENT, PLAN, rounds)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_runs_that_all_take_the_same_time_give_that_time(name: str) -> None:
    pinned = replace(ENVIRONMENT, affinity="0")
    found = estimate(make_measurement(conv(8), 4_000_000, environment=pinned), reference_s=0.001, estimator=name)
    assert found.seconds == pytest.approx(0.004)
    assert found.low_s == pytest.approx(0.004)
    assert found.high_s == pytest.approx(0.004)


@pytest.mark.parametrize("name", ["matched", "steady", "min", "level", "paired", "ratio"])
@given(slower=st.floats(0.5, 3))
def test_a_uniform_slowdown_of_the_device_changes_no_ratio(name: str, slower: float) -> None:
    slowed = measurement(*(make_round([int(4e6 * slower)] * 3, int(1e6 * slower)) for _ in range(2)))
    assert estimate(slowed, 0.001, name).seconds == pytest.approx(0.004, rel=1e-5)


def test_the_min_estimator_ignores_one_noisy_round() -> None:
    noisy = measurement(make_round([9_000_000] * 3), make_round([4_000_000] * 3))
    assert estimate(noisy, 0.001, "min").seconds == pytest.approx(0.004)
    assert estimate(noisy, 0.001, "min").high_s > 0.004


def test_the_minimum_of_a_single_thread_excludes_waiting_time() -> None:
    waited = replace(make_round([7_000_000, 8_000_000]), cpu_ns=(4_000_000, 4_000_000))
    use_cpu_time, together = measurement(waited), replace(measurement(waited), target=replace(TARGET, threads=2))
    on_gpu = replace(measurement(waited), target=replace(TARGET, runtime="torch_cuda"))
    assert estimate(use_cpu_time, 0.001, "min").seconds == pytest.approx(0.004)
    assert estimate(together, 0.001, "min").seconds == pytest.approx(0.007)
    assert estimate(on_gpu, 0.001, "min").seconds == pytest.approx(0.007)


def test_a_single_cpu_time_below_all_others_is_not_the_minimum() -> None:
    wrong = replace(make_round([5_000_000] * 4), cpu_ns=(1_000_000, 4_000_000, 4_000_000, 4_000_000))
    assert estimate(measurement(wrong), 0.001, "min").seconds == pytest.approx(0.004)


def blocks(subject_ns: list[int], reference_ns: list[int]) -> Round:
    """A round of as many blocks as there are runs of the workload, each after two runs of the reference."""
    reference = tuple(ns for ns in reference_ns for _ in range(2))
    return replace(
        make_round(subject_ns),
        reference_wall_ns=reference,
        reference_cpu_ns=reference,
        conditions={"turn": {"subject_runs": 1, "reference_runs": 2}},
    )


def test_a_pair_compares_a_run_with_the_reference_runs_around_it() -> None:
    slow_in_the_middle = blocks([40_000_000, 80_000_000, 60_000_000], [1_000_000, 1_000_000, 3_000_000])
    # around the runs: (1 + 1) / 2, (1 + 3) / 2 and 3 ms; so they take 40, 40 and 20 references
    assert estimate(measurement(slow_in_the_middle), 0.001, "paired").seconds == pytest.approx(0.040)


def test_the_reference_around_a_run_is_that_before_and_after_it_and_after_the_last_none() -> None:
    _, around = round_blocks(blocks([1, 1, 1], [1_000_000, 1_000_000, 3_000_000]), use_cpu_time=True)
    assert around == pytest.approx([0.001, 0.002, 0.003])


def test_a_few_delayed_runs_hardly_move_the_level() -> None:
    runs = [80_000_000 if number % 10 == 3 else 40_000_000 for number in range(30)]
    found = estimate(measurement(blocks(runs, [1_000_000] * 30)), 0.001, "level").seconds
    assert found == pytest.approx(0.040, rel=0.01)


def test_the_level_is_the_latency_of_idle_moments_regardless_of_noise_in_others() -> None:
    for suffering in (1.0, 1.6):
        speeds = [1.0, 1.0, 1.2, 1.25, 1.0, 1.2] * 5
        runs = [round(40e6 * slow**suffering) for slow in speeds]
        slowed = blocks(runs, [round(1e6 * slow) for slow in speeds])
        fastest_only = blocks([40_000_000] * 30, [1_000_000] * 30)
        is_idle = estimate(measurement(fastest_only), 0.001, "level").seconds
        assert estimate(measurement(slowed, slowed), 0.001, "level").seconds == pytest.approx(is_idle, rel=0.03)


def test_short_runs_are_matched_by_their_minimum_and_long_runs_by_their_level() -> None:
    for longer, name in [(1, "min"), (100, "level")]:
        runs = [ns * longer * 10_000 for ns in (40, 60, 60)]
        rounds = measurement(blocks(runs, [1_000_000] * 3), blocks(runs, [1_000_000] * 3))
        matched = estimate(rounds, 0.001, "matched").seconds
        assert matched == pytest.approx(estimate(rounds, 0.001, name).seconds, rel=1e-3)


def test_a_long_workload_converges_when_its_level_is_certain_regardless_of_its_minima() -> None:
    plan = replace(PLAN, rounds=4)
    speeds = (1.0, 1.1, 1.2, 1.05)
    agreeing = [blocks([round(1e7 * slow**1.2)] * 2, [round(1e6 * slow)] * 2) for slow in speeds]
    disagreeing = [blocks([round(1e7 * slow)] * 2, [1_000_000] * 2) for slow in speeds]
    assert has_converged(agreeing, plan, 0.001, use_cpu_time=True)
    assert not has_converged(disagreeing, plan, 0.001, use_cpu_time=True)
    assert not has_converged(agreeing[:3], plan, 0.001, use_cpu_time=True)


def test_a_short_workload_converges_when_its_minima_agree_on_an_idle_device() -> None:
    rounds = [make_round([100_000] * 3)] * 3
    assert has_converged(rounds, PLAN, idle_reference_s=0.001, use_cpu_time=True)
    assert not has_converged(rounds, PLAN, idle_reference_s=0.0009, use_cpu_time=True)
    assert not has_converged([*rounds[:1], make_round([110_000] * 3)], PLAN, idle_reference_s=0.001, use_cpu_time=True)


def test_preempted_runs_are_set_aside_unless_all_were() -> None:
    some = measurement(make_round([1_000_000, 4_000_000], preemptions=(1, 0)))
    every = measurement(make_round([1_000_000, 4_000_000], preemptions=(1, 1)))
    assert estimate(some, 0.001, "wall_min").seconds == pytest.approx(0.004)
    assert estimate(every, 0.001, "wall_min").seconds == pytest.approx(0.001)


@pytest.mark.slow
@given(st.lists(st.lists(st.integers(1, 10**9), min_size=1, max_size=5), min_size=1, max_size=6))
def test_an_interval_holds_its_estimate(runs: list[list[int]]) -> None:
    for name in ESTIMATORS:
        found = estimate(measurement(*(make_round(wall) for wall in runs)), 0.001, name)
        assert 0 < found.low_s <= found.seconds <= found.high_s


def test_the_idle_reference_is_that_of_the_fastest_rounds() -> None:
    rounds = [make_round([1], reference_ns=ns) for ns in [1_000_000] * 3 + [2_000_000] * 17]
    assert reference_seconds([measurement(*rounds)]) == pytest.approx(0.001)


def test_what_was_not_measured_is_an_error() -> None:
    with pytest.raises(NotMeasured, match="no round"):
        estimate(measurement(), 0.001)
    with pytest.raises(NotMeasured, match="latkit collect"):
        reference_seconds([])


def test_an_unknown_estimator_is_an_error_that_names_the_known() -> None:
    with pytest.raises(UsageError, match=r"'mean'.*min"):
        estimate(make_measurement(conv(8), 1), 0.001, "mean")


def test_environments_that_differ_name_the_difference() -> None:
    other = Environment(
        **{name: getattr(ENVIRONMENT, name) for name in ENVIRONMENT.__slots__} | {"runtime_version": "runtime 2"}
    )
    with pytest.raises(MeasurementConflict, match="runtime_version 'runtime 1' and 'runtime 2'"):
        ENVIRONMENT.check_same(other)


@pytest.mark.parametrize(
    "broken",
    [
        {"wall_ns": ()},
        {"reference_wall_ns": ()},
        {"cpu_ns": (1, 2)},
        {"wall_ns": (0,), "cpu_ns": (0,), "preemptions": (0,)},
    ],
)
def test_a_round_without_complete_samples_is_refused(broken: dict[str, tuple[int, ...]]) -> None:
    complete = {
        "wall_ns": (5,),
        "cpu_ns": (5,),
        "preemptions": (0,),
        "reference_wall_ns": (5,),
        "reference_cpu_ns": (5,),
    }
    with pytest.raises(UsageError):
        Round(0.0, **(complete | broken))


def test_a_plan_has_positive_numbers() -> None:
    with pytest.raises(UsageError, match=r"expected a timing plan of 1 to .* rounds"):
        TimingPlan(rounds=0)


@pytest.mark.parametrize(("old", "new"), [("floor", "min"), ("minimum", "wall_min")])
def test_an_estimator_may_be_requested_by_the_name_of_version_0_1(old: str, new: str) -> None:
    noisy = measurement(make_round([9_000_000] * 3), make_round([4_000_000] * 3, 2_000_000))
    assert estimate(noisy, 0.001, old) == estimate(noisy, 0.001, new)
    assert old not in ESTIMATORS
    assert estimator_name(old) == estimator_name(new) == new
