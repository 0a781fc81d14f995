"""The baseline: established from enough rounds, and checked against later ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latkit.timing import (
    Baseline,
    Round,
    baseline_has_changed,
    establish_baseline,
    is_busy,
    reference_seconds,
    relative_change,
)
from tests.builders import conv, make_measurement, make_round

BASELINE = Baseline(reference_s=1e-6, rounds=40, is_idle=True, established_at=0.0)


def rounds(*reference_ns: int, load1: float = 0.1, preempted: bool = False) -> list[Round]:
    made = [make_round([1000] * 3, ns, float(i), (1,) * 3 if preempted else ()) for i, ns in enumerate(reference_ns)]
    return [replace(one_round, conditions={"before": {"load1": load1}}) for one_round in made]


def test_a_few_rounds_establish_no_baseline() -> None:
    assert establish_baseline(rounds(*[1000] * 29)) is None


def test_the_least_noisy_rounds_establish_the_baseline() -> None:
    found = establish_baseline(rounds(*[1000] * 10, *[1500] * 30))
    assert found is not None
    assert (found.reference_s, found.rounds, found.is_idle, found.established_at) == (
        pytest.approx(1e-6),
        40,
        True,
        39.0,
    )


@pytest.mark.parametrize("cases", [{"load1": 1.5}, {"preempted": True}])
def test_what_a_busy_device_establishes_is_not_final(cases: dict[str, float]) -> None:
    found = establish_baseline(rounds(*[1000] * 30, **cases))  # type: ignore[arg-type]
    assert found is not None
    assert not found.is_idle


@pytest.mark.parametrize(
    ("reference_ns", "moved", "changed"),
    [
        ((1000, 1000), 0.0, False),
        ((2000, 990), 0.0, False),
        ((1200, 1300), 0.2, False),
        ((1600, 1700), 0.6, True),
        ((900, 850), -0.1, False),
        ((700, 600), -0.3, True),
    ],
)
def test_only_a_change_in_every_round_counts(reference_ns: tuple[int, ...], moved: float, changed: bool) -> None:
    found = rounds(*reference_ns)
    assert relative_change(BASELINE, found, use_cpu_time=True) == pytest.approx(moved)
    assert baseline_has_changed(BASELINE, found, use_cpu_time=True) is changed


def test_slower_on_a_busy_device_is_no_change() -> None:
    busy = rounds(3000, 3000, load1=2.0)
    assert is_busy(busy)
    assert not baseline_has_changed(BASELINE, busy, use_cpu_time=True)


def test_faster_than_on_a_busy_device_is_no_change() -> None:
    assert not baseline_has_changed(replace(BASELINE, is_idle=False), rounds(500, 500), use_cpu_time=True)


def test_a_saved_baseline_turns_ratios_into_seconds() -> None:
    measured = [make_measurement(conv(8), 1000), make_measurement(conv(16), 1000)]
    saved = [replace(measurement, reference_s=0.5) for measurement in measured]
    assert reference_seconds(measured) == pytest.approx(1e-3)
    assert reference_seconds(saved) == 0.5
    assert reference_seconds([saved[0], measured[1]]) == pytest.approx(1e-3), "of two setups none is kept for both"
