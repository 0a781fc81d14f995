"""`latkit specialize`: sub-networks of a trained supernet for targets and latencies."""

from __future__ import annotations

from typing import Annotated

import typer

from latkit.cli.console import emit_json, say, show_table, showing_progress
from latkit.cli.options import AsJson, ModelKind, Seed, Wait, workspace_folder

MIN_MS = 1e-9
LATENCIES = ("target", "latency_ms", "predicted_ms", "measured_ms")
"""What a person is shown of a sub-network, besides its scores; --json has all of it."""


def specialize(
    context: typer.Context,
    base: Annotated[str, typer.Argument(metavar="BASE", help="A supernet that latkit train-supernet trained.")],
    targets: Annotated[list[str], typer.Argument(metavar="TARGET...", help="Such as pi4/tflite-t4.")],
    latency_ms: Annotated[
        list[float] | None,
        typer.Option("--latency-ms", min=MIN_MS, help="Milliseconds, for every target; repeat."),
    ] = None,
    latencies: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="N latencies per target, evenly spaced between quantiles of random sub-networks."
        ),
    ] = 0,
    evaluations: Annotated[
        int,
        typer.Option(
            min=20, help="Sub-networks to evaluate for the score predictor; with --strategy, for every latency."
        ),
    ] = 200,
    strategy: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Search with real weights by a strategy that latkit strategies lists."),
    ] = None,
    strategy_setting: Annotated[
        list[str] | None,
        typer.Option("--strategy-set", metavar="NAME=VALUE", help="A setting of the strategy; repeat."),
    ] = None,
    finetune: Annotated[
        int, typer.Option(min=0, metavar="EPOCHS", help="Train every network found for so long, before it is exported.")
    ] = 0,
    model: ModelKind = "lookup",
    seed: Seed = 0,
    measure: Annotated[bool, typer.Option("--measure/--no-measure", help="Measure what is found.")] = True,
    cross: Annotated[bool, typer.Option("--cross", help="Measure every network on every target.")] = False,
    wait: Wait = 0.0,
    as_json: AsJson = False,
) -> None:
    """Find the most accurate sub-network for every target and latency, without training.

    Evolution over a score predictor and each target's latency table; the best are evaluated with their real
    weights, exported, and measured. The same command continues what was interrupted. It writes a page into the
    supernet's folder: scores against latency, layers, predicted and measured latencies.
    """
    from latkit.cli.parsing import parse_settings, targets_named
    from latkit.workspace import Workspace
    from latkit.workspace.requests import SpecializeRequest

    request = SpecializeRequest(
        name=base,
        targets=targets_named(targets),
        latencies_s=tuple(one / 1e3 for one in latency_ms or ()),
        latencies=latencies,
        evaluations=evaluations,
        strategy=strategy,
        strategy_settings=parse_settings(strategy_setting or (), "--strategy-set"),
        finetune_epochs=finetune,
        cross=cross,
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
    document = run.document()
    columns = (*LATENCIES, run.metric, f"validation_{run.metric}", f"random_{run.metric}_mean")
    show_table("sub-networks", [{name: row[name] for name in columns} for row in document["targets"]])
    say(f"files: {run.found[0][1].parent}")
    say(f"{run.report}: open it in a browser")


COMMANDS = (specialize,)
