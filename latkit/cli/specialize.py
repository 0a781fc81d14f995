"""`latkit specialize`: sub-networks of a trained supernet for targets and latencies."""

from __future__ import annotations

from typing import Annotated

import typer

from latkit.cli.console import emit_json, say, showing_progress
from latkit.cli.options import AsJson, ModelKind, Wait, workspace_folder


def specialize(
    context: typer.Context,
    base: Annotated[str, typer.Argument(metavar="BASE", help="A supernet that latkit train-supernet trained.")],
    targets: Annotated[list[str], typer.Argument(metavar="TARGET...", help="Such as pi4/tflite-t4.")],
    latency_ms: Annotated[list[float], typer.Option("--latency-ms", min=0, help="Milliseconds; repeat for several.")],
    evaluations: Annotated[
        int, typer.Option(min=20, help="Sub-networks to evaluate, once, for the accuracy predictor.")
    ] = 200,
    model: ModelKind = "lookup",
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything drawn.")] = 0,
    measure: Annotated[bool, typer.Option("--measure/--no-measure", help="Measure what is found.")] = True,
    wait: Wait = 0.0,
    as_json: AsJson = False,
) -> None:
    """Find the most accurate sub-network for every target and latency, without training.

    Evolution over an accuracy predictor and each target's latency table; the best are evaluated with their real
    weights, exported, and measured. The same command continues what was interrupted.
    """
    from latkit.cli.parsing import targets_named
    from latkit.workspace import Workspace
    from latkit.workspace.requests import SpecializeRequest

    request = SpecializeRequest(
        name=base,
        targets=targets_named(targets),
        latencies_s=tuple(one / 1e3 for one in latency_ms),
        evaluations=evaluations,
        model=model,
        seed=seed,
        measure=measure,
        wait_s=wait,
    )
    with showing_progress() as callbacks:
        run = Workspace(workspace_folder(context)).specialize(request, callbacks)
    if as_json:
        emit_json(run.document())
        return
    for one, folder in run.found:
        measured = "" if one.measured_s is None else f", measured {1e3 * one.measured_s:.4g} ms"
        say(
            f"{one.target} at {1e3 * one.latency_s:.4g} ms: {run.metric} {one.test:.4f}, predicted "
            f"{1e3 * one.predicted_s:.4g} ms{measured}; {folder}"
        )


COMMANDS = (specialize,)
