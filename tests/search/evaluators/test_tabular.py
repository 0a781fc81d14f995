"""Tables: looked up by architecture and effort; what is missing is an error."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from latkit.errors import UsageError
from latkit.search.evaluators.tabular import Table, TabularEvaluator

ROWS = {(0, 0): 0, (0, 1): 1}
COLUMNS = {"accuracy": np.array([[50.0, 60.0], [55.0, 58.0]]), "macs": np.array([10.0, 20.0])}


def table(**changes: object) -> Table:
    fields = {"name": "small", "rows": ROWS, "columns": COLUMNS, "efforts": (4.0, 12.0)}
    return Table(**{**fields, **changes})  # type: ignore[arg-type]


def test_quantities_follow_the_effort() -> None:
    evaluator = TabularEvaluator(table(test={"test_accuracy": np.array([1.0, 2.0])}))
    first, second = evaluator.judge([(0, 0), (0, 1)])
    assert first.quantities == {"accuracy": 60.0, "macs": 10.0}
    assert second.cost == {"evaluations": 1.0, "epochs": 12.0}
    (early,) = evaluator.judge([(0, 0)], 4.0)
    assert (early.quantities["accuracy"], early.cost["epochs"]) == (50.0, 4.0)
    assert evaluator.quantities == ("accuracy", "macs")
    assert evaluator.test_quantities((0, 1)) == {"test_accuracy": 2.0}
    with pytest.raises(UsageError, match="expected an effort of 4, 12, but found 5"):
        evaluator.judge([(0, 0)], 5.0)


def test_an_architecture_that_is_not_there_fails_for_free() -> None:
    evaluator = TabularEvaluator(table())
    (verdict,) = evaluator.judge([(1, 1)])
    assert "(1, 1) is not in the table small" in verdict.failure
    assert verdict.is_free
    with pytest.raises(UsageError, match="expected an architecture of the table"):
        evaluator.test_quantities((1, 1))


def test_quantities_are_chosen_by_name() -> None:
    evaluator = TabularEvaluator(table(), ["macs"])
    assert evaluator.judge([(0, 1)])[0].quantities == {"macs": 20.0}
    with pytest.raises(UsageError, match="unknown quantity joules; small has: accuracy, macs"):
        TabularEvaluator(table(), ["joules"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_values_are_refused(value: float) -> None:
    with pytest.raises(UsageError, match=r"expected a finite macs in every row, but found none in row 1 \(1 values"):
        table(columns={"macs": np.array([1.0, value])})


def test_a_partial_column_lacks_values() -> None:
    columns = {"macs": np.array([1.0, np.nan]), "accuracy": np.array([1.0, 2.0])}
    evaluator = TabularEvaluator(table(columns=columns, partial=frozenset({"macs"})))
    assert [dict(one.quantities) for one in evaluator.judge([*ROWS])] == [
        {"macs": 1.0, "accuracy": 1.0},
        {"accuracy": 2.0},
    ]


def test_a_column_of_another_length_is_refused() -> None:
    with pytest.raises(UsageError, match=r"expected macs of shape \(2,\), but found \(3,\)"):
        table(columns={"macs": np.ones(3)})


def test_it_goes_to_other_processes() -> None:
    evaluator = TabularEvaluator(table())
    assert pickle.loads(pickle.dumps(evaluator)).judge([(0, 1)]) == evaluator.judge([(0, 1)])
