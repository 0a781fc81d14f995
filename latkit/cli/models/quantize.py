"""`latkit quantize`: the precision of every op of a trained network, under a bound."""

from __future__ import annotations

from typing import Annotated

import typer

from latkit.cli.console import emit_json, say, show_table, showing_progress
from latkit.cli.options import AsJson, TargetName, Wait, workspace_folder


def quantize(
    context: typer.Context,
    target: TargetName,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A finished search, or an ONNX file of a chain.")],
    latency_ms: Annotated[float | None, typer.Option(help="Maximum latency, in milliseconds.")] = None,
    size_mb: Annotated[float | None, typer.Option(help="Maximum size of the weights, in megabytes.")] = None,
    energy_mj: Annotated[
        float | None, typer.Option(help="Maximum energy of one inference; for targets that measure it per op.")
    ] = None,
    precision: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A precision to choose from: fp32 and int8 by default.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Images, if not those that the network was trained on.")] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Folder under search/; MODEL-quantized by default.")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting, such as episodes=300, epochs=2.")
    ] = None,
    wait: Wait = 0.0,
    as_json: AsJson = False,
) -> None:
    """Choose the precision of every op of a trained network, under a bound on latency or size.

    Ops and the boundaries between precisions are measured on the target. The best policy is trained shortly, exported
    and run. The same command goes on where it was interrupted.
    """
    from latkit.cli.parsing import parse_settings
    from latkit.targets import Target
    from latkit.workspace import Workspace
    from latkit.workspace.requests.quantize import QuantizeRequest

    settings = parse_settings(setting or ())
    request = QuantizeRequest(
        target=Target.parse(target),
        model=model,
        latency_ms=latency_ms,
        size_mb=size_mb,
        energy_mj=energy_mj,
        precisions=tuple(precision) if precision else ("fp32", "int8"),
        data=data,
        name=name,
        settings=settings,  # type: ignore[arg-type]  # checked by the request
        wait_s=wait,
    )
    with showing_progress() as callbacks:
        run = Workspace(workspace_folder(context)).quantize(request, callbacks)
    document = run.document()
    if as_json:
        emit_json(document)
        return
    rows: list[dict[str, str | int | float | None]] = []
    for layer in run.result.layers:
        row: dict[str, str | int | float | None] = {"op": layer.op, "precision": layer.precision}
        rows.append(row | {f"{one}_us": 1e3 * ms for one, ms in zip(layer.precisions, layer.ms, strict=True)})
        rows[-1]["boundary_us"] = 1e3 * layer.boundary_ms
    show_table(f"policy {run.result.winner}", rows)
    variants = document["variants"]  # with scores under the metric's name
    shown = [{"file": name} | {field: one[field] for field in one if field != "file"} for name, one in variants.items()]
    show_table("files", shown)
    say(f"files in {run.folder}")


COMMANDS = (quantize,)
