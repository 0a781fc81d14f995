from dataclasses import replace

import pytest

from latkit.errors import NotMeasured
from latkit.measurements import select
from tests.builders import ENVIRONMENT, conv, make_measurement, make_round


def test_incomplete_contended_and_old_measurements_are_left_out_with_a_reason() -> None:
    good = make_measurement(conv(8), 1000, started_at=50)
    incomplete = make_measurement(conv(16), 1000, rounds=1, started_at=50)
    contended = replace(
        make_measurement(conv(24), 1000), rounds=(make_round([5, 5, 5], preemptions=(1, 1, 0), started_at=50),) * 2
    )
    old = make_measurement(conv(32), 1000, environment=replace(ENVIRONMENT, runtime_version="runtime 0"))
    selection = select([old, good, incomplete, contended])
    assert selection.used == (good,)
    reasons = {measurement.workload: reason for measurement, reason in selection.left_out}
    assert "another setup" in reasons[conv(32)]
    assert reasons[conv(16)] == "incomplete: 1 of 2 rounds"
    assert reasons[conv(24)].startswith("contended: 67% of its runs were preempted")


def test_of_two_measurements_with_different_plans_the_later_counts() -> None:
    first = make_measurement(conv(8), 1000)
    again = replace(make_measurement(conv(8), 900, started_at=60), plan=replace(first.plan, round_s=0.5))
    selection = select([first, again])
    assert selection.used == (again,)
    assert [reason for _, reason in selection.left_out] == ["measured again later"]


def test_nothing_measured_is_nothing_selected() -> None:
    assert select([]).used == ()


def test_an_unusable_measurement_is_reported_with_the_reason() -> None:
    incomplete = [make_measurement(conv(8), 1000, rounds=1), make_measurement(conv(9), 1000, rounds=1)]
    with pytest.raises(NotMeasured, match=r"none of the 2 .*incomplete: 1 of 2 rounds; run the same latkit"):
        select(incomplete).usable()
    assert select([]).usable() == ()
    complete = make_measurement(conv(8), 1000)
    assert select([complete]).usable() == (complete,)
