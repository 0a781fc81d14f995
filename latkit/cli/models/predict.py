"""`latkit predict`: the latency of a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latkit.cli.console import note
from latkit.cli.options import AsJson, InputShapes, ModelKind, TargetName, workspace_folder


def predict(
    context: typer.Context,
    target: TargetName,
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="NETWORK.json, or any ONNX or TFLite file.")],
    model: ModelKind = "lookup",
    shape: InputShapes = None,
    as_json: AsJson = False,
) -> None:
    """Predict a network's latency on a target, with an interval and what each op or kernel adds."""
    from latkit.cli.profiling.model_arguments import parse_shapes
    from latkit.cli.render.predicted import show_prediction
    from latkit.progress import Callbacks
    from latkit.targets import Target
    from latkit.workspace.requests import PredictRequest
    from latkit.workspace.target_verbs import TargetVerbs

    request = PredictRequest(target=Target.parse(target), network=network, model=model, shapes=parse_shapes(shape))
    found = TargetVerbs(workspace_folder(context)).predict(request, Callbacks(on_message=note))
    show_prediction(request, found, as_json=as_json)


COMMANDS = (predict,)
