"""`latkit profile`: how fast model files are on a target, and where the time goes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latkit.cli.console import emit_json, note, say, show_table, showing_progress
from latkit.cli.options import AsJson, InputShapes, MaxSeconds, Rounds, RoundSeconds, TargetName, Wait, workspace_folder

SHOWN = 15
"""The terminal shows this many ops, the slowest ones; --json has all of them."""


def profile(
    context: typer.Context,
    target: TargetName,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A file ending in .onnx or .tflite.")],
    shape: InputShapes = None,
    inputs: Annotated[
        Path | None, typer.Option("--inputs", metavar="FILE.npz", help="Values of the inputs, an array for each.")
    ] = None,
    signature: Annotated[str, typer.Option("--signature", help="Signature of a .tflite file to run.")] = "",
    interval_ms: Annotated[
        list[float] | None,
        typer.Option("--interval-ms", min=0.001, help="Also time runs that begin at this interval; repeat for more."),
    ] = None,
    ops: Annotated[bool, typer.Option("--ops/--no-ops", help="Whether the time of each op is taken too.")] = True,
    rounds: Rounds = 6,
    round_seconds: RoundSeconds = 0.2,
    max_seconds: MaxSeconds = None,
    wait: Wait = 0.0,
    as_json: AsJson = False,
) -> None:
    """Profile a model file on a target: load time, latency, memory, and the time of every op."""
    from latkit.cli.parsing import parse_shapes
    from latkit.profiling.profile import ModelRequest, ProfileRequest
    from latkit.targets import Target
    from latkit.timing import TimingPlan
    from latkit.workspace.target_verbs import TargetVerbs

    request = ProfileRequest(
        target=Target.parse(target),
        models=(ModelRequest(model, parse_shapes(shape), inputs, signature),),
        plan=TimingPlan(rounds, round_seconds),
        ops=ops,
        intervals_ms=tuple(interval_ms or ()),
        max_seconds=max_seconds,
        wait_s=wait,
    )
    with showing_progress() as callbacks:
        (found,) = TargetVerbs(workspace_folder(context)).profile(request, callbacks).profiles
    if as_json:
        emit_json(found.to_json())
        return
    latency = found.latency_ms
    slowest = sorted(found.ops, key=lambda op: -op.ms)[:SHOWN]
    show_table(
        f"{found.model} on {found.target}: slowest of {len(found.ops)} ops",
        [
            {
                "op": op.name,
                "kind": op.kind,
                "placement": op.placement,
                "ms": op.ms,
                "share_percent": op.share_percent,
                "macs": op.macs,
                "bound": op.bound,
            }
            for op in slowest
        ],
    )
    say(
        f"{latency.p50:.3f} ms median of {latency.runs} runs ({latency.min:.3f} to {latency.p99:.3f} ms), "
        f"load {found.load_ms or 0:.1f} ms, first run {found.first_run_ms or 0:.2f} ms"
    )
    for paced in found.pacing:
        say(f"{paced.latency_ms.p50:.3f} ms median of runs every {paced.interval_ms:g} ms")
    for remark in (*(f"{name}: {text}" for name, text in found.flags.items()), *found.notes):
        note(remark)


COMMANDS = (profile,)
