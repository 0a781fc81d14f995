"""`latkit validate`: predictions beside measurements."""

from __future__ import annotations

from typing import Annotated

import typer

from latkit.cli.console import showing_progress
from latkit.cli.options import (
    AsJson,
    BenchmarkFlags,
    BenchmarkTool,
    Channels,
    Classes,
    ExtraRounds,
    MaxSeconds,
    ModelKind,
    Resolution,
    Rounds,
    RoundSeconds,
    SpaceName,
    TargetName,
    Wait,
    Width,
    workspace_folder,
)


def validate(
    context: typer.Context,
    target: TargetName,
    space: SpaceName,
    networks: Annotated[int, typer.Option(min=2, help="Networks to draw, none of which the fit has seen.")] = 20,
    model: ModelKind = "lookup",
    seed: Annotated[int, typer.Option(help="Which networks are drawn.")] = 0,
    drift_networks: Annotated[
        int, typer.Option(min=0, help="Networks of the calibration to measure again: how far has the device drifted?")
    ] = 0,
    max_seconds: MaxSeconds = None,
    rounds: Rounds = 6,
    round_seconds: RoundSeconds = 0.2,
    extra_rounds: ExtraRounds = 6,
    wait: Wait = 0.0,
    benchmark_tool: BenchmarkTool = None,
    benchmark_flag: BenchmarkFlags = None,
    resolution: Resolution = None,
    width: Width = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Measure networks that the fit has not seen, each twice, and compare them with their predictions."""
    from latkit.cli.parsing import space_named, tool_named
    from latkit.cli.render.predicted import show_validation
    from latkit.targets import Target
    from latkit.workspace.models.validate import NotSaved
    from latkit.workspace.requests import ValidateRequest
    from latkit.workspace.target_verbs import TargetVerbs

    request = ValidateRequest(
        target=Target.parse(target),
        space=space_named(space, resolution, width, classes, channels),
        networks=networks,
        model=model,
        seed=seed,
        drift_networks=drift_networks,
        max_seconds=max_seconds,
        rounds=rounds,
        round_s=round_seconds,
        extra_rounds=extra_rounds,
        wait_s=wait,
        benchmark_tool=tool_named(benchmark_tool, benchmark_flag),
    )
    workspace = TargetVerbs(workspace_folder(context))
    try:
        with showing_progress() as callbacks:
            validation = workspace.validate(request, callbacks)
    except NotSaved as error:  # the figures are shown even where they cannot be saved
        show_validation(error.validation, as_json=as_json)
        raise
    show_validation(validation, as_json=as_json)


COMMANDS = (validate,)
