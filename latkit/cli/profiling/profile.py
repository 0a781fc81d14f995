"""`latkit profile`: how fast model files are on targets, where the time goes, and whether one is slower."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from latkit.cli.console import showing_progress
from latkit.cli.options import (
    INPUTS,
    OUTPUT,
    TIMING,
    AsJson,
    BenchmarkFlags,
    BenchmarkTool,
    InputShapes,
    MaxSeconds,
    Pin,
    Rounds,
    RoundSeconds,
    Wait,
    workspace_folder,
)

GATES = "Comparison and CI"
"""A group of options in --help."""

Items = Annotated[
    list[str],
    typer.Argument(
        metavar="TARGET... MODEL...", help="Targets such as pi4/tflite-t4; files ending in .onnx, .tflite or .pt2."
    ),
]
InputsFile = Annotated[
    Path | None,
    typer.Option(
        "--inputs", metavar="FILE.npz", help="Values of the inputs, an array for each.", rich_help_panel=INPUTS
    ),
]
Signature = Annotated[
    str, typer.Option("--signature", help="Signature of a .tflite file to run.", rich_help_panel=INPUTS)
]
Intervals = Annotated[
    list[float] | None,
    typer.Option(
        "--interval-ms",
        min=0.001,
        help="Also time runs that begin at this interval; repeat for more.",
        rich_help_panel=TIMING,
    ),
]
Ops = Annotated[
    bool, typer.Option("--ops/--no-ops", help="Whether the time of each op is taken too.", rich_help_panel=TIMING)
]
Threads = Annotated[
    str | None,
    typer.Option(
        "--threads",
        metavar="1,2,4",
        help="Profile every target with each number of threads.",
        rich_help_panel=TIMING,
    ),
]
Batches = Annotated[
    str | None,
    typer.Option("--batch", metavar="1,8", help="Sweep: profile every target at this batch.", rich_help_panel=TIMING),
]
Compare = Annotated[
    bool,
    typer.Option(
        "--compare", help="Time two models in turn: difference with its 99 % interval.", rich_help_panel=GATES
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        "--against", metavar="NAME", help="Compare with the latest stored profile of NAME.", rich_help_panel=GATES
    ),
]
FailIfSlower = Annotated[
    str | None,
    typer.Option(
        "--fail-if-slower",
        metavar="PERCENT",
        help="Exit with 1 if the whole interval is above, such as 3%.",
        rich_help_panel=GATES,
    ),
]
MaxMs = Annotated[
    float | None,
    typer.Option(
        "--max-ms",
        min=0,
        help="Exit with 1 if the upper end of the latency's interval is above.",
        rich_help_panel=GATES,
    ),
]
TraceFile = Annotated[
    Path | None,
    typer.Option("--trace", metavar="FILE.json", help="Write a trace for Perfetto.", rich_help_panel=OUTPUT),
]
HtmlFile = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE.html", help="Write a self-contained page.", rich_help_panel=OUTPUT),
]
OverlayFile = Annotated[
    Path | None,
    typer.Option(
        "--model-explorer", metavar="FILE.json", help="Write an overlay for Model Explorer.", rich_help_panel=OUTPUT
    ),
]


def profile(
    context: typer.Context,
    items: Items,
    shape: InputShapes = None,
    inputs: InputsFile = None,
    signature: Signature = "",
    interval_ms: Intervals = None,
    ops: Ops = True,
    threads: Threads = None,
    batch: Batches = None,
    rounds: Rounds = 6,
    round_seconds: RoundSeconds = 0.2,
    pin: Pin = None,
    max_seconds: MaxSeconds = None,
    compare: Compare = False,
    against: Against = None,
    fail_if_slower: FailIfSlower = None,
    max_ms: MaxMs = None,
    html: HtmlFile = None,
    trace: TraceFile = None,
    model_explorer: OverlayFile = None,
    wait: Wait = 0.0,
    benchmark_tool: BenchmarkTool = None,
    benchmark_flag: BenchmarkFlags = None,
    as_json: AsJson = False,
) -> None:
    """Profile model files: load time, latency, memory, the time of every op, and what limits them.

    Several models are timed in turn, several devices in parallel.

    Examples:

    latkit profile pi4/tflite-t4 model.tflite --interval-ms 33 --html page.html

    latkit profile here/onnxruntime old.onnx new.onnx --compare --fail-if-slower 3%
    """
    from latkit.cli.profiling.model_arguments import parse_shapes, split_items
    from latkit.cli.profiling.profile_run import Gates, Outputs, Sweep, run

    targets, models = split_items(items)
    fields: dict[str, Any] = {
        "shapes": parse_shapes(shape),
        "inputs": inputs,
        "signature": signature,
        "rounds": rounds,
        "round_s": round_seconds,
        "intervals_ms": tuple(interval_ms or ()),
        "ops": ops,
        "max_seconds": max_seconds,
        "wait_s": wait,
        "pin": pin,
        "tool": _tool(benchmark_tool, benchmark_flag),
    }
    gates = Gates.parse(compare, against, fail_if_slower, max_ms)
    sweep = Sweep.parse(targets, threads, batch)
    outputs = Outputs(as_json, html, trace, model_explorer)
    outputs.check()
    with showing_progress() as callbacks:
        result = run(workspace_folder(context), models, sweep, gates, fields, callbacks)
    outputs.write(result)
    if failed := gates.failed(result):
        raise typer.Exit(failed)


def _tool(path: Path | None, flags: list[str] | None) -> Any:
    """The tool that measures instead of the agent; None without one. Raises UsageError."""
    if path is None and not flags:
        return None
    from latkit.cli.parsing import tool_named
    from latkit.devices import benchmark_tool

    named = tool_named(path, flags)
    return named and benchmark_tool(named.path, named.flags)


COMMANDS = (profile,)
