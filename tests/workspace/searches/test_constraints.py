from __future__ import annotations

from pathlib import Path

import pytest
import typer

from latkit.cli.parsing import parse_constraints
from latkit.errors import UsageError
from latkit.spaces import load
from latkit.workspace import Workspace
from latkit.workspace.searches.constraints import constraints_of


def test_bounds_are_read_as_they_are_written() -> None:
    bounds = parse_constraints(["macs<=20e6", "pi4/tflite-t4 <= 12.5"])
    assert bounds == {"macs": 20e6, "pi4/tflite-t4": 12.5}


@pytest.mark.parametrize("text", ["macs", "macs<20", "<=3", "macs<=many", "macs>=3"])
def test_a_limit_says_what_and_how_much(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected WHAT<=MAX"):
        parse_constraints([text])


def test_a_quantity_is_bounded_once() -> None:
    with pytest.raises(typer.BadParameter, match="expected one constraint on macs, but found two"):
        parse_constraints(["macs<=1", "macs<=2"])


def test_names_become_tables_of_the_space(tmp_path: Path) -> None:
    workspace, space = Workspace.init(tmp_path), load("proxyless-tiny")
    constraints = constraints_of(workspace, space, {"macs": 2e7, "params": 1e6, "peak_bytes": 1e6})
    path = (0,) * len(space.choices)
    network = space.decode(path)
    assert [constraint.max_value for constraint in constraints] == [2e7, 1e6, 1e6]
    assert constraints[0].value(path) == network.macs
    assert constraints[1].value(path) == network.parameters
    with pytest.raises(
        UsageError, match="expected a constraint on macs, params, peak_bytes or a target, but found 'flops'"
    ):
        constraints_of(workspace, space, {"flops": 1})
    with pytest.raises(UsageError, match="pi4"):
        constraints_of(workspace, space, {"pi4/tflite": 12})
