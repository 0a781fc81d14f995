"""`collect` and `fit` with `--from`: a new target from a few networks and what other targets know."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.cli.console import emit_json, say
from latkit.errors import UsageError
from latkit.ops import OVERHEAD_PROBE
from latkit.spaces import Space
from latkit.targets import Target
from latkit.timing import Workload
from latkit.workspace import Workspace


def transfer_subjects(
    workspace: Workspace, targets: Sequence[Target], sources: Sequence[str], space: Space, networks: int
) -> list[Workload]:
    """What to measure on a new target instead of every op: the fixed cost, and the most informative networks."""
    if len(targets) != 1:
        raise UsageError(f"expected one new target beside --from, but found {len(targets)}")
    known = [Target.parse(source) for source in sources]
    return [OVERHEAD_PROBE, *workspace.networks_to_measure(targets[0], known, space, networks)]


def fit_from(
    workspace: Workspace,
    target: Target,
    sources: Sequence[str],
    space: Space | None,
    estimator: str | None,
    *,
    as_json: bool,
) -> None:
    """Fit a transfer model and report how well it predicts each network when that network is left out."""
    if space is None:
        raise UsageError("expected --space beside --from, whose ops are to be inferred, but found none")
    model = workspace.fit_from(target, [Target.parse(source) for source in sources], space, estimator)
    calibration = model.calibration_
    assert calibration.relative_error is not None
    row = {
        "model": model.kind,
        "sources": list(model.sources_),
        "ops": len(model.ops_),
        "fixed_us": 1e6 * calibration.base_s,
        "networks": calibration.networks,
        "error_percent": 100 * calibration.relative_error,
        "file": str(workspace.model_path(target, model.kind, space)),
    }
    if as_json:
        emit_json({"target": str(target), "space": space.name, "models": [row]})
        return
    say(
        f"{target}: {row['ops']} ops inferred from {row['networks']} networks and {', '.join(model.sources_)}; "
        f"error on networks left out {row['error_percent']:.1f} %; predict with --model transfer"
    )
