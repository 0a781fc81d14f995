"""Goals as text, and their order on verdicts made by hand."""

from __future__ import annotations

import pytest

from latkit.errors import UsageError
from latkit.search.evaluators import Verdict
from latkit.search.goals import Bound, Goal, Goals, parse_goal


def verdict(accuracy: float, seconds: float) -> Verdict:
    return Verdict({"accuracy": accuracy, "seconds": seconds}, {"evaluations": 1})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accuracy:max", Goal("accuracy")),
        ("seconds:min", Goal("seconds", maximize=False)),
        ("seconds<=0.005", Bound("seconds", upper=0.005)),
        ("macs >= 1e6", Bound("macs", lower=1e6)),
        ("1e6<=macs<=2e6", Bound("macs", 1e6, 2e6)),
    ],
)
def test_goals_are_read_from_text_and_written_as_such(text: str, expected: Goal | Bound) -> None:
    assert parse_goal(text) == expected
    assert parse_goal(str(expected)) == expected


@pytest.mark.parametrize(
    "text", ["accuracy", "accuracy:up", "seconds<=nan", "seconds<=x", "2<=macs<=1", "1>=macs>=0", ":max", "", "a<=1<=b"]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected a"):
        parse_goal(text)


def test_goals_need_something_to_maximize_or_minimize() -> None:
    with pytest.raises(UsageError, match="expected a quantity to maximize"):
        Goals.parse("seconds<=1")
    with pytest.raises(UsageError, match="accuracy twice"):
        Goals.parse("accuracy:max", "accuracy:min")


def test_verdicts_within_the_bounds_are_better_than_others_and_failures_the_worst() -> None:
    goals = Goals.parse("accuracy:max", "seconds<=1")
    ordered = [Verdict.failed("x"), verdict(0.9, 3.0), verdict(0.5, 2.0), verdict(0.1, 1.0), verdict(0.2, 0.5)]
    assert sorted((ordered[at] for at in (3, 1, 4, 0, 2)), key=goals.rank) == ordered
    assert goals.best(ordered) == 4
    assert goals.best(ordered[:3]) is None


def test_a_verdict_without_a_quantity_does_not_meet_the_goals() -> None:
    goals = Goals.parse("accuracy:max", "seconds<=1")
    assert not goals.is_met(Verdict({"accuracy": 1.0}))
    assert not goals.is_met(Verdict({"seconds": 0.5}))
    assert goals.rank(Verdict({"seconds": 0.5})) < goals.rank(verdict(0.0, 1.0))


def test_the_front_has_what_nothing_dominates() -> None:
    goals = Goals.parse("accuracy:max", "seconds:min", "seconds<=5")
    verdicts = [verdict(0.5, 1), verdict(0.5, 2), verdict(0.7, 2), verdict(0.9, 9), verdict(0.7, 2), verdict(0.6, 4)]
    assert goals.front(verdicts) == [0, 2]


def test_an_unknown_quantity_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown quantity joules; the evaluator gives: accuracy, seconds"):
        Goals.parse("accuracy:max", "joules<=1").check(("accuracy", "seconds"))


def test_a_verdict_survives_json_and_refuses_numbers_that_are_not_finite() -> None:
    for one in (verdict(0.1, 2.0), Verdict.failed("out of\nmemory")):
        assert Verdict.from_json(one.to_json()) == one
    with pytest.raises(UsageError, match="finite"):
        Verdict({"accuracy": float("nan")})
    with pytest.raises(UsageError, match="expected numbers"):
        Verdict.from_json({"quantities": {"accuracy": "high"}})
