"""`latkit fit`, `validate`, `predict` and `table`: latency models and what they predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from latkit._io import check_writable
from latkit.cli.console import ConsoleProgress, emit_json, note, note_left_out, say, show_table
from latkit.cli.options import (
    AsJson,
    Binary,
    BinaryFlags,
    Channels,
    Classes,
    ExtraRounds,
    InputShapes,
    MaxSeconds,
    ModelKind,
    Resolution,
    Rounds,
    RoundSeconds,
    Sources,
    SpaceName,
    TargetName,
    Wait,
    Width,
    check_output,
    workspace_folder,
)
from latkit.errors import LatkitError

table_app = typer.Typer(help="Latency tables of a space: seconds of every candidate.", no_args_is_help=True)


def fit(
    context: typer.Context,
    target: TargetName,
    space: Annotated[
        str | None, typer.Option("--space", help="Use this space's ops and networks only, and require all of its ops.")
    ] = None,
    sources: Sources = None,
    estimator: Annotated[
        str | None,
        typer.Option("--estimator", help="How samples become a latency, if not as suits them; see docs/measuring.md."),
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
    from latkit.cli.onnx_models import fit_kernels_row, is_ours
    from latkit.cli.parsing import space_named
    from latkit.cli.transfer import fit_from
    from latkit.latency_models import OpModel, model_kinds
    from latkit.targets import Target
    from latkit.workspace import Workspace

    where = Target.parse(target)
    workspace = Workspace(workspace_folder(context))
    search_space = space_named(space, resolution, width, classes, channels) if space else None
    if sources:
        fit_from(workspace, where, sources, search_space, estimator, as_json=as_json)
        return
    selection = workspace.selection(where, search_space)
    has_kernels = workspace.fusion_path(where).exists() and not search_space
    kinds = () if has_kernels and not any(is_ours(m.workload) for m in selection.used) else tuple(model_kinds(OpModel))
    rows: list[dict[str, str | int | float | None]] = []
    curves: dict[str, list[dict[str, str | int | float | None]]] = {}
    for kind in kinds:
        model = workspace.fit(where, search_space, kind, estimator)
        calibration = model.calibration_
        error = calibration.relative_error
        rows.append(
            {
                "model": kind,
                "estimator": model.origin_.estimator,
                "measurements": len(selection.used),
                "left_out": len(selection.left_out),
                "fixed_us": 1e6 * calibration.base_s,
                "scale": calibration.scale,
                "networks": calibration.networks,
                "error_percent": None if error is None else 100 * error,
                "file": str(workspace.model_path(where, kind, search_space)),
            }
        )
        curves[kind] = [asdict(point) for point in calibration.curve]
        if search_space is None:
            note_spaces(kind, workspace.fit_spaces(where, kind, estimator))
    if has_kernels:
        rows.append(fit_kernels_row(workspace, where, estimator, len(selection.left_out)))
    flags = selection.flags()
    note_left_out([(measurement.workload.title, reason) for measurement, reason in selection.left_out])
    if as_json:
        emit_json(
            {
                "target": str(where),
                "space": search_space.name if search_space else None,
                "models": rows,
                "flags": flags,
                "curves": curves,
            }
        )
    else:
        title = f"{where}: error on networks left out of the calibration"
        show_table(title, [{name: value for name, value in row.items() if name != "file"} for row in rows])
        for kind, curve in curves.items():
            show_table(f"{kind}: error on other networks, by the number calibrated on", [_percent(p) for p in curve])
        raised = ", ".join(f"{name} {count}" for name, count in flags.items() if count)
        say(f"flags on the {len(selection.used)} measurements used: {raised or 'none'}")


def note_spaces(kind: str, outcomes: Mapping[str, LatkitError | None]) -> None:
    """Print for which spaces a model was refitted as well, and which models were left unchanged."""
    fitted = [space for space, error in outcomes.items() if error is None]
    if fitted:
        note(f"{kind}: fitted anew for {', '.join(fitted)} as well")
    for space, error in outcomes.items():
        if error:
            note(f"{kind}: the model for {space} was kept as it was: {error}")


def _percent(point: dict[str, str | int | float | None]) -> dict[str, str | int | float | None]:
    """A point of the curve as it is shown."""
    error, within_5 = (float(point[name] or 0) for name in ("mean_error", "within_5"))
    return {"networks": point["networks"], "mean error, %": 100 * error, "within 5 %": 100 * within_5}


def validate(
    context: typer.Context,
    target: TargetName,
    space: SpaceName,
    networks: Annotated[int, typer.Option(min=2, help="Networks to draw, none of which the fit has seen.")] = 20,
    model: ModelKind = "lookup",
    seed: Annotated[int, typer.Option(help="Which networks are drawn.")] = 0,
    max_seconds: MaxSeconds = None,
    rounds: Rounds = 6,
    round_seconds: RoundSeconds = 0.2,
    extra_rounds: ExtraRounds = 6,
    wait: Wait = 0.0,
    binary: Binary = None,
    binary_flag: BinaryFlags = None,
    resolution: Resolution = None,
    width: Width = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Measure networks that the fit has not seen, each twice, and compare them with their predictions."""
    from latkit.cli.collecting import tool_of
    from latkit.cli.parsing import space_named
    from latkit.cli.render.predicted import show_validation
    from latkit.evaluation.validation import unseen_networks
    from latkit.evaluation.validation import validate as run_validation
    from latkit.targets import Target
    from latkit.timing import TimingPlan
    from latkit.workspace import Workspace, check_tool, pinned_as

    where, plan = Target.parse(target), TimingPlan(rounds, round_seconds, extra_rounds=extra_rounds)
    tool = tool_of(binary, binary_flag, where)
    search_space = space_named(space, resolution, width, classes, channels)
    workspace = Workspace(workspace_folder(context))
    fitted = workspace.model(where, model, search_space)
    check_tool(fitted, tool)
    record = workspace.validation_path(where, search_space, model)
    check_writable(record)  # or an error, before the device is leased
    unseen_networks(fitted, search_space, networks, seed)
    with (
        ConsoleProgress() as progress,
        workspace.collection(where, plan, progress, wait, note, pinned_as(fitted), tool=tool) as collection,
    ):
        validation = run_validation(collection, fitted, search_space, networks, seed, max_seconds)
    try:
        validation.save(record)
    finally:  # the figures are shown even where they cannot be saved
        show_validation(validation, as_json=as_json)


def predict(
    context: typer.Context,
    target: TargetName,
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="NETWORK.json, or any ONNX file.")],
    model: ModelKind = "lookup",
    shape: InputShapes = None,
    as_json: AsJson = False,
) -> None:
    """Predict a network's latency on a target, with an interval and what each op or kernel adds."""
    from latkit.cli.onnx_models import parse_shapes, read_for, show_prediction
    from latkit.cli.render.predicted import latency_document, latency_line
    from latkit.graphs import Graph
    from latkit.targets import Target
    from latkit.workspace import Workspace

    where = Target.parse(target)
    workspace = Workspace(workspace_folder(context))
    if not workspace.has_model(where, model):
        workspace.device(where.device)
    workload = read_for(where, network, parse_shapes(shape or []))
    if isinstance(workload, Graph):
        show_prediction(where, workload, network, workspace.kernel_model(where).predict(workload), as_json=as_json)
        return
    fitted = workspace.model_for(where, workload, model)
    predicted = fitted.predict(workload)
    seconds = fitted.layer_seconds(workload.ops)
    layers: list[dict[str, str | int | float | None]] = [
        {
            "op": op.title,
            "macs": op.macs,
            "adds_ms": 1e3 * added,
            "share_percent": 100 * added / predicted.seconds if predicted.seconds else None,
        }
        for op, added in zip(workload.ops, seconds, strict=True)
    ]
    if as_json:
        emit_json(
            {
                "target": str(where),
                "network": workload.title,
                "model": model,
                **latency_document(predicted),
                "imported": fitted.origin_.imported,
                "emulated": fitted.origin_.environment.emulated,
                "macs": workload.macs,
                "parameters": workload.parameters,
                "inputs": {"input": [where.batch, *workload.input_shape]},
                "layers": layers,
            }
        )
        return
    show_table(f"{workload.title} on {where}", layers)
    say(latency_line(predicted))
    if fitted.origin_.imported:
        note(f"not measured here, but imported from {fitted.origin_.imported}")
    if fitted.origin_.environment.emulated:
        note(f"{where.device} is emulated: this is no phone's latency")


@table_app.command(name="export")
def export_table(
    context: typer.Context,
    target: TargetName,
    space: SpaceName,
    output: Annotated[Path, typer.Option("--output", "-o", help="File ending in .json, .safetensors or .yaml.")],
    model: ModelKind = "lookup",
    resolution: Resolution = None,
    width: Width = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Write the latency table of a space on a target, for use in Python or elsewhere.

    As .yaml it holds the ops' milliseconds under ProxylessNAS's keys.
    """
    from latkit.cli.parsing import space_named
    from latkit.latency_models.imported.proxyless_yaml import write_keys
    from latkit.tables import LatencyTable
    from latkit.targets import Target
    from latkit.workspace import Workspace

    where = Target.parse(target)
    check_output(output)
    search_space = space_named(space, resolution, width, classes, channels)
    fitted = Workspace(workspace_folder(context)).model(where, model, search_space)
    table = LatencyTable(search_space, fitted)
    if output.suffix == ".yaml":
        table.check_without_pairs(".yaml")
        ops = search_space.ops()
        write_keys(dict(zip(ops, fitted.layer_seconds(ops), strict=True)), ops, output)
    else:
        table.save(output)
    fastest_ms, slowest_ms = 1e3 * table.fastest(), 1e3 * table.slowest()
    if as_json:
        emit_json({"file": str(output), "fastest_ms": fastest_ms, "slowest_ms": slowest_ms})
    else:
        say(f"{output}: space {search_space.name} on {where}, networks from {fastest_ms:.3f} to {slowest_ms:.3f} ms")


@table_app.command(name="import")
def import_table(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="YAML file in the key format of ProxylessNAS or Once-for-all.")],
    device: Annotated[str, typer.Option("--device", help="Name for the device that it was measured on.")],
    runtime: Annotated[str, typer.Option("--runtime", help="What executed the ops there.")] = "tflite",
    as_json: AsJson = False,
) -> None:
    """Save a published latency table as a look-up model, marked as imported and not as measured."""
    from latkit.targets import Target
    from latkit.workspace import Workspace

    where = Target.parse(f"{device}/{runtime}")
    workspace = Workspace(workspace_folder(context))
    table, model = workspace.import_table(file, where)
    keys, ops, path = len(table.entries), len(table.ops()), workspace.model_path(where, model.kind)
    if as_json:
        emit_json({"target": str(where), "keys": keys, "ops": ops, "imported": table.source, "file": str(path)})
    else:
        say(f"{where}: {keys} keys of {table.source}; latkit knows {ops} ops of them")


COMMANDS = (fit, validate, predict)
