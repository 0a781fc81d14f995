"""`latkit fit`: the latency models of a target."""

from __future__ import annotations

from typing import Annotated

import typer

from latkit.cli.options import (
    AsJson,
    Channels,
    Classes,
    Resolution,
    Sources,
    TargetName,
    Width,
    workspace_folder,
)


def fit(
    context: typer.Context,
    target: TargetName,
    space: Annotated[
        str | None, typer.Option("--space", help="Use this space's ops and networks only, and require all of its ops.")
    ] = None,
    sources: Sources = None,
    estimator: Annotated[
        str | None,
        typer.Option(
            "--estimator",
            help="How samples become a latency, instead of what suits them best.",
        ),
    ] = None,
    resolution: Resolution = None,
    width: Width = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Fit the latency models of a target on its measurements: look-up, XGBoost, and one of external networks.

    With --from, a transfer model: a few networks measured on the target, and all that other targets know of the space.
    """
    from latkit.cli.parsing import space_named, targets_named
    from latkit.cli.render.fitted import show_fits
    from latkit.targets import Target
    from latkit.workspace.requests import FitRequest
    from latkit.workspace.target_verbs import TargetVerbs

    request = FitRequest(
        target=Target.parse(target),
        space=space_named(space, resolution, width, classes, channels) if space else None,
        sources=targets_named(sources),
        estimator=estimator,
    )
    show_fits(TargetVerbs(workspace_folder(context)).fit(request), as_json)


COMMANDS = (fit,)
