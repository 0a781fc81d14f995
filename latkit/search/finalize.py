"""The end of a search: the trained network is evaluated, exported and recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from latkit.ops import Network
from latkit.search.objectives.derivation import MIN_TARGET_SHARE, Derived
from latkit.search.records.problem import Problem
from latkit.search.records.result import FILES, ConstraintResult, SearchResult, exported_file
from latkit.search.supernet.weight_trainer import evaluate
from latkit.search.training.distributed import broadcast_from_main
from latkit.search.training.exports import export
from latkit.search.training.nan_guard import check_weights
from latkit.search.training.trained_network import save_weights

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True, slots=True)
class Trained:
    """The derived network at the end of its training."""

    network: Network
    module: nn.Module
    derived: Derived
    expected_s: float
    """Of the last distribution."""
    seconds: dict[str, float]
    """Spent on `search` and `training`."""
    remarks: tuple[str, ...] = ()
    """For the result's notes."""


def finish(problem: Problem, folder: Path, trained: Trained, fabric: Fabric) -> SearchResult:
    """Evaluate on the test images; write weights, files for runtimes, and result.

    Raises LatkitError where a weight is not a finite number, ExportError where a file computes something else than the
    module.
    """
    module, data = trained.module, problem.data
    check_weights(module.state_dict().values(), "training")
    score = evaluate(module, data, data.test, fabric, problem.settings)

    def written() -> bytes:
        eval_module = module.cpu().eval()
        save_weights(eval_module.state_dict(), folder / FILES["weights"])
        exports, missing = export(folder, trained.network, eval_module, data, problem.settings)
        result = _result(problem, trained, score).model_copy(
            update={
                "exports": exports,
                "files": {**FILES, **{what: exported_file(what) for what in exports}},
                "notes": (*_notes(problem, trained.derived), *missing, *trained.remarks),
            }
        )
        result.save(folder / FILES["result"])
        return result.model_dump_json().encode()

    return SearchResult.model_validate_json(broadcast_from_main(written, fabric))


def _result(problem: Problem, trained: Trained, score: float) -> SearchResult:
    """The result, without its exports and notes."""
    network, derived = trained.network, trained.derived
    return SearchResult(
        name=network.name,
        space=problem.table.space_name,
        target_latency_s=problem.target_s,
        predicted_latency_s=derived.predicted_s,
        expected_latency_s=trained.expected_s,
        strongest_latency_s=derived.strongest_s,
        swaps=derived.swaps,
        task=problem.task.name,
        score=score,
        macs=network.macs,
        parameters=network.parameters,
        architecture=derived.architecture,
        ops=tuple(op.title for op in network.ops),
        seconds=trained.seconds,
        notes=(),
        constraints={
            constraint.name: ConstraintResult(
                predicted=constraint.value(derived.architecture), most=constraint.max_value
            )
            for constraint in problem.constraints
        },
        files={},
    )


def _notes(problem: Problem, derived: Derived) -> tuple[str, ...]:
    """On the latency. To a strategy the target is an upper bound, which the best network need not reach."""
    slowest_s, target_ms = problem.table.slowest(), problem.target_s * 1e3
    if slowest_s <= problem.target_s:
        return (
            f"the target of {target_ms:.4g} ms does not bind: the slowest network of the space takes "
            f"{slowest_s * 1e3:.4g} ms",
        )
    share = derived.predicted_s / problem.target_s
    if share < MIN_TARGET_SHARE and problem.strategy is None:
        return (f"within 2 % of the target nothing was found that meets the constraints; this takes {share:.1%} of it",)
    return ()
