"""Flags on scripted conditions and round samples; what a device does not report raises none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latkit.measurements import FLAGS, flags_of, select
from latkit.measurements.anomalies import contended, count_flags, fastest_khz, throttled, usable_runs, waited
from latkit.targets import Target
from latkit.timing import Measurement, Round
from tests.builders import ENVIRONMENT, conv, make_measurement, make_round

PINNED = replace(ENVIRONMENT, affinity="0")


def idle_measurement() -> Measurement:
    return make_measurement(conv(8), 1000, environment=PINNED)


def with_rounds(*rounds: Round) -> Measurement:
    return replace(idle_measurement(), rounds=rounds)


def under(*after: dict[str, object], before: dict[str, object] | None = None) -> Measurement:
    """One round for each of these conditions after it."""
    return with_rounds(
        *(replace(make_round([1000] * 3), conditions={"before": before or {}, "after": moment}) for moment in after)
    )


def waiting(wall_ns: int, cpu_ns: int, runs: int, preemptions: int = 0) -> Measurement:
    one_round = make_round([wall_ns] * runs, preemptions=(preemptions,) * runs)
    return with_rounds(*(replace(one_round, cpu_ns=(cpu_ns,) * runs),) * 2)


def test_an_idle_pinned_measurement_raises_no_flag() -> None:
    assert flags_of(idle_measurement()) == {}
    assert count_flags([idle_measurement()]) == dict.fromkeys(FLAGS, 0)


def test_a_measurement_without_rounds_raises_no_flag() -> None:
    assert flags_of(with_rounds()) == {}


def test_unpinned_is_derived_from_the_environment() -> None:
    assert set(flags_of(make_measurement(conv(8), 1000))) == {"unpinned"}


class TestContended:
    def test_by_preemptions(self) -> None:
        measurement = with_rounds(make_round([5, 5, 5], preemptions=(1, 1, 0)))
        assert contended(measurement) == "67% of its runs were preempted"
        assert usable_runs(measurement) == 1

    def test_by_waiting(self) -> None:
        measurement = waiting(2000, 1000, runs=4)
        assert contended(measurement) == "100% of its runs were preempted or waited"
        assert usable_runs(measurement) == 8

    @pytest.mark.parametrize("target", [Target("board", "onnxruntime", threads=2), Target("board", "torch_cuda")])
    def test_several_threads_and_accelerators_show_no_gap(self, target: Target) -> None:
        measurement = replace(waiting(2000, 1000, runs=4), target=target)
        assert not waited(measurement).any()
        assert contended(measurement) == ""

    def test_no_cpu_time_is_unknown(self) -> None:
        assert contended(waiting(2000, 0, runs=4)) == ""

    def test_a_single_thread_is_used_by_its_cpu_time(self) -> None:
        busy = waiting(2000, 1000, runs=3, preemptions=1)
        assert select([busy]).used == (busy,)
        assert select([busy]).flags()["contended"] == 1

    def test_several_threads_are_left_out_without_clean_runs(self) -> None:
        busy = replace(waiting(2000, 1000, runs=3, preemptions=1), target=Target("board", "onnxruntime", threads=2))
        (_, reason), *_ = select([busy]).left_out
        assert reason.startswith("contended: 100% of its runs were preempted, and 0 runs tell of it alone")

    def test_sufficient_clean_runs_make_it_usable(self) -> None:
        one_round = make_round([1000] * 8, preemptions=(1, 1, 1, 1, 1, 0, 0, 0))
        busy = replace(with_rounds(one_round, one_round), target=Target("board", "onnxruntime", threads=2))
        assert select([busy]).used == (busy,)


class TestThrottled:
    def test_a_frequency_that_fell(self) -> None:
        fast, slow = {"frequencies_khz": [2_000_000, 600_000]}, {"frequencies_khz": [1_000_000, 600_000]}
        assert throttled(under(fast, slow, slow)) == "2 of 3 rounds ended below 80% of 2.00 GHz"
        assert throttled(under(fast, fast, slow)) == ""

    def test_a_round_is_compared_with_the_fastest_on_the_device(self) -> None:
        slow, fast = under({"frequencies_khz": [1_000_000]}), under({"frequencies_khz": [2_000_000]})
        assert throttled(slow) == ""
        assert fastest_khz([slow, fast]) == 2_000_000
        assert "throttled" in flags_of(slow, 2_000_000)
        assert count_flags([slow, fast])["throttled"] == 1

    def test_only_the_cores_it_may_use_count(self) -> None:
        big = {"frequencies_khz": [1_000_000, 2_000_000], "affinity": [0]}
        assert fastest_khz([under(big)]) == 1_000_000

    def test_idle_cores_before_a_round_do_not_count(self) -> None:
        assert throttled(under({"frequencies_khz": [2_000_000]}, before={"frequencies_khz": [1]})) == ""

    def test_a_sensor_at_its_trip_point(self) -> None:
        hot = {"temperatures_c": {"zone": 80.0}, "trips_c": {"zone": 80.0}}
        assert throttled(under(hot)) == "a sensor was at its trip point in 1 of 1 rounds"
        assert throttled(under(hot | {"temperatures_c": {"zone": 79.0}})) == ""

    @pytest.mark.parametrize(
        "reported",
        [{}, {"frequencies_khz": []}, {"frequencies_khz": "fast"}, {"temperatures_c": {"zone": 200.0}}],
    )
    def test_unreported_conditions_raise_no_flag(self, reported: dict[str, object]) -> None:
        assert throttled(under(reported)) == ""
        assert fastest_khz([under(reported)]) is None


def test_a_reference_that_moves_is_drifting() -> None:
    moved = with_rounds(make_round([1000] * 3, reference_ns=1000), make_round([1000] * 3, reference_ns=1200))
    assert flags_of(moved) == {"drifting": "the reference moved by 20% between its rounds"}
    steady = with_rounds(make_round([1000] * 3, reference_ns=1000), make_round([1000] * 3, reference_ns=1050))
    assert flags_of(steady) == {}


def test_times_that_still_fall_are_cold() -> None:
    falling = make_round([2000, 1900, 1500, 1200, 1000, 1000])
    assert flags_of(with_rounds(falling)) == {"cold": "times were still falling in 1 of 1 rounds"}
    assert flags_of(with_rounds(make_round([1000] * 6), falling)) == {}
    assert flags_of(with_rounds(make_round([2000, 1500, 1000]))) == {}, "too few runs tell nothing"
