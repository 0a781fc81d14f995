"""`latkit train-supernet`: one network is trained, of which every sub-network of a space takes a part."""

from __future__ import annotations

from typing import Annotated

import typer

from latkit.cli.console import emit_json, say, show_facts, showing_progress
from latkit.cli.options import AsJson, Channels, Classes, Resolution, Seed, Width, workspace_folder


def train_supernet(
    context: typer.Context,
    space: Annotated[
        str,
        typer.Option(
            "--space", help="An elastic space, such as ofa-tiny, a chain, such as proxyless-tiny, or a TOML file."
        ),
    ],
    data: Annotated[str, typer.Option(help="Images: digits, an .npz file, a folder, idx:FOLDER, or hf:NAME.")],
    name: Annotated[str, typer.Option("--name", "-o", metavar="NAME", help="The supernet's folder under search/.")],
    curriculum: Annotated[
        str | None,
        typer.Option(
            help="Order of training: growing-mixed (the default from 50 epochs on), growing (the default of fewer), "
            "growing-sandwich, uniform (that of a chain), progressive, sandwich, or a plug-in's."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the images, of all stages together.")] = None,
    seed: Seed = 0,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting, such as learning_rate=0.05.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A minute's training, to try things out.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a training that was interrupted.")] = False,
    resolution: Resolution = None,
    width: Width = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Train an elastic supernet: afterwards its sub-networks are used without further training.

    Sub-networks differ in resolution, depth, width, kernels and expansions. Scores are on the test images, after
    batch norm statistics were recalibrated for each sub-network.
    """
    from latkit.cli.parsing import parse_settings, space_named
    from latkit.search.training.runtime_env import is_first_process
    from latkit.workspace import Workspace
    from latkit.workspace.requests import TrainSupernetRequest

    settings = {"seed": seed, **({} if epochs is None else {"epochs": epochs}), **parse_settings(setting or ())}
    request = TrainSupernetRequest(
        space=space_named(space, resolution, width, classes, channels),
        data=data,
        name=name,
        curriculum=curriculum,
        settings=settings,
        quick=quick,
        resume=resume,
    )
    with showing_progress() as callbacks:
        run = Workspace(workspace_folder(context)).train_supernet(request, callbacks)
    if not is_first_process():
        return
    document = run.document()
    if as_json:
        emit_json(document)
        return
    facts = {fact: value for fact, value in document.items() if not isinstance(value, dict)}
    show_facts(f"supernet {name}", {**facts, "seconds": sum(run.result.seconds.values())})
    say(f"weights: {document['files']['weights']}")


COMMANDS = (train_supernet,)
