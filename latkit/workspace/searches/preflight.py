"""The inputs of a search in a workspace, and whether it can work: checked before it begins."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from latkit.latency_models import AdditiveModel
from latkit.layout.series import Member
from latkit.search import Constraint, SearchSettings
from latkit.search.baselines.run import check_baselines, check_drawn
from latkit.search.objectives.constraints import CONSTRAINTS_FILE, check_constraints, load_constraints
from latkit.search.preflight import check_latency
from latkit.search.records.result import FILES
from latkit.search.training.distributed import broadcast_from_main
from latkit.search.training.runtime_env import fabric_of
from latkit.spaces import Space
from latkit.tables import LatencyTable
from latkit.targets import Target
from latkit.workspace.models.fitting import ModelFitting, check_tool
from latkit.workspace.searches.search_job import SearchJob


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of the latency and of the constraints."""

    latency: LatencyTable
    constraints: tuple[Constraint, ...] = ()


def prepared(workspace: ModelFitting, job: SearchJob, member: Member, resume: bool) -> tuple[AdditiveModel, Tables]:
    """The target's model and the tables of a search that can begin, as far as can be checked without running it.

    Errors are those of `latkit.workspace.searches.single_search.search_one`.
    """
    target, space, target_s = Target.parse(member.target), job.space, member.target_latency_s
    workspace.device(target.device)
    model = workspace.model(target, job.kind, space)
    check_tool(model, job.tool)
    tables = tables_of(workspace.search_dir(member.name), space, model, job.constraints, resume)
    tables.latency.check_space(space)
    check_constraints(tables.constraints, space)
    check_latency(tables.latency, target_s, job.settings, tables.constraints)
    check_baselines(job.settings, job.baselines)
    check_drawn(space, tables.latency, target_s, job.settings, job.baselines)
    return model, tables


def tables_of(
    folder: Path, space: Space, model: AdditiveModel, constraints: Sequence[Constraint], resume: bool
) -> Tables:
    """The tables of a search in `folder`: the model's, or with `resume` those that it began with.

    A model that is refitted meanwhile does not stop a search from continuing. Bounds are always those of `constraints`.
    Raises BadFile, and NotMeasured if the model does not know an op of the space.
    """
    path = folder / FILES["table"]
    if not (resume and path.exists()):
        return Tables(LatencyTable(space, model), tuple(constraints))
    began = {each.name: each.table.numbers() for each in load_constraints(folder / CONSTRAINTS_FILE, space)}
    return Tables(LatencyTable.load(path), _with_numbers(constraints, began))


def shared(tables: Tables | None, space: Space, constraints: Sequence[Constraint], settings: SearchSettings) -> Tables:
    """The first process's tables, in all processes: the others neither see its folder nor need its models."""
    content = broadcast_from_main(lambda: _packed(tables), fabric_of(settings))
    if tables is not None:
        return tables
    numbers = json.loads(content)
    latency = numbers.pop("")
    rows, base_s, pairs = latency["rows"], latency["base"], latency.get("pairs", ())
    table = LatencyTable.from_seconds(space.name, space.key, rows, base_s, pairs)
    return Tables(table, _with_numbers(constraints, numbers))


def _packed(tables: Tables | None) -> bytes:
    """The tables' numbers by name; the latency's name is empty."""
    assert tables is not None
    named = {"": tables.latency, **{constraint.name: constraint.table for constraint in tables.constraints}}
    return json.dumps({name: table.numbers() for name, table in named.items()}).encode()


def _with_numbers(constraints: Sequence[Constraint], numbers: Mapping[str, dict[str, Any]]) -> tuple[Constraint, ...]:
    """The constraints with the numbers that their tables began with, by name."""
    return tuple(
        replace(each, table=each.table.with_numbers(numbers[each.name])) if each.name in numbers else each
        for each in constraints
    )
