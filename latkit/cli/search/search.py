"""`latkit search`: the most accurate network at a given latency on a given target, or one for each of several."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import typer

from latkit.cli.old_spellings import hint
from latkit.cli.options import (
    GOALS,
    INPUTS,
    SETTINGS,
    AsJson,
    BenchmarkFlags,
    BenchmarkTool,
    Channels,
    Classes,
    ModelKind,
    Resolution,
    Seed,
    Teacher,
    Wait,
    Width,
    given_parameters,
    workspace_folder,
)
from latkit.cli.search.reproduce import reproduce
from latkit.cli.search.strategy_options import (
    Batch,
    BenchmarkName,
    ClusterAddress,
    EvaluationEpochs,
    Evaluations,
    EvaluationSeconds,
    EvaluatorName,
    GoalTexts,
    MeasureWhereUnsure,
    StrategyName,
    StrategySettings,
    Workers,
)
from latkit.errors import UsageError


def search(
    context: typer.Context,
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET...", help="Device, runtime and settings, such as pi4/tflite-t4."),
    ] = None,
    space: Annotated[
        str | None, typer.Option("--space", help="A built-in search space, or a TOML file.", rich_help_panel=INPUTS)
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="mixed | NAME+NAME",
            help="Search the precision of every op too: mixed is fp32+int8.",
            rich_help_panel=INPUTS,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Images: digits, an .npz file, a folder, idx:FOLDER, or hf:NAME of Hugging Face.",
            rich_help_panel=INPUTS,
        ),
    ] = None,
    latency_ms: Annotated[
        list[float] | None,
        typer.Option(
            "--latency-ms",
            min=0,
            help="The latency to reach, in milliseconds; repeat for each target, or for a series.",
            rich_help_panel=GOALS,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="The search's folder under search/; of several, how they begin."),
    ] = None,
    model: ModelKind = "lookup",
    seed: Seed = 0,
    constraint: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT<=MAX",
            help="An upper bound besides: macs<=20e6, params<=1e6, peak_bytes<=2e5, or TARGET<=12 in milliseconds.",
            rich_help_panel=GOALS,
        ),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="A search setting, such as epochs=60.", rich_help_panel=SETTINGS
        ),
    ] = None,
    settings_file: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            metavar="FILE.toml",
            help="A TOML file of search settings; --set goes before it.",
            rich_help_panel=SETTINGS,
        ),
    ] = None,
    teacher: Teacher = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="Train beside it, at its latency: random:5, evolution, mobilenetv2; repeat.",
            rich_help_panel=GOALS,
        ),
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(
            metavar="BASE",
            help="Begin with the weights of a supernet of latkit train-supernet; by default on its space and images.",
            rich_help_panel=INPUTS,
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A minute's search, to try things out.", rich_help_panel=SETTINGS)
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted search; with --name alone, as it was asked for.")
    ] = False,
    repeat: Annotated[str | None, typer.Option("--repeat", hidden=True)] = None,
    wait: Wait = 0.0,
    benchmark_tool: BenchmarkTool = None,
    benchmark_flag: BenchmarkFlags = None,
    resolution: Resolution = None,
    width: Width = None,
    classes: Classes = None,
    channels: Channels = None,
    strategy: StrategyName = None,
    evaluator: EvaluatorName = "trained",
    benchmark: BenchmarkName = None,
    goal: GoalTexts = None,
    evaluations: Evaluations = 100,
    evaluation_seconds: EvaluationSeconds = None,
    evaluation_epochs: EvaluationEpochs = None,
    batch: Batch = 1,
    workers: Workers = 1,
    cluster: ClusterAddress = None,
    strategy_setting: StrategySettings = None,
    measure_unsure: MeasureWhereUnsure = False,
    as_json: AsJson = False,
) -> None:
    """Search for the most accurate network at a latency; train, export and measure it.

    Several targets, or several latencies, are searched in sequence and share the warm-up; then every network is
    measured on every target. A supernet's gradient decides, or with --strategy a strategy that asks for architectures.
    """
    given = SimpleNamespace(**locals())
    from latkit.cli.search.benchmark import run_benchmark
    from latkit.cli.search.run import resume_search, run_search
    from latkit.cli.search.search_requests import replay_request, search_request, strategy_plan
    from latkit.workspace import Workspace

    if repeat:
        check_only_reproduces(context)
        hint("latkit search --repeat NAME", "latkit reproduce NAME")
        reproduce(context, repeat, name, data, teacher, resume, as_json)
        return
    if resume and name and set(given_parameters(context)) <= set(RESUMES_WITH):
        resume_search(workspace_folder(context), name, wait, as_json)
        return
    if not (strategy or benchmark):
        check_no_strategy(context)
    plan = strategy_plan(given)
    if benchmark and plan is not None:
        check_only_replays(context)
        run_benchmark(workspace_folder(context), replay_request(given, plan), as_json)
        return
    workspace = Workspace(workspace_folder(context))
    request = search_request(given, workspace, plan, "seed" in given_parameters(context))
    run_search(workspace, request, as_json)


RESUMES_WITH = ("name", "resume", "wait", "as_json")
"""The parameters of `search` beside which a saved request is resumed: with others, they are a request of their own."""


STRATEGY_PARAMETERS = (
    "evaluator",
    "goal",
    "evaluations",
    "evaluation_seconds",
    "evaluation_epochs",
    "batch",
    "workers",
    "cluster",
    "strategy_setting",
    "measure_unsure",
)
"""The parameters of `search` that only a strategy uses."""


def check_no_strategy(context: typer.Context) -> None:
    """Raise UsageError for options of a strategy without one."""
    if given := [option for name, option in given_parameters(context).items() if name in STRATEGY_PARAMETERS]:
        raise UsageError(f"expected --strategy NAME with {given[0]}, but found none")


REPLAYS_WITH = (
    *(name for name in STRATEGY_PARAMETERS if name not in ("evaluator", "measure_unsure")),
    *("strategy", "benchmark", "data", "name", "seed", "resume", "as_json"),
)
"""The parameters of `search` that a replay on a benchmark uses."""


def check_only_replays(context: typer.Context) -> None:
    """Raise UsageError for arguments that --benchmark would ignore: a bound among them would not be met."""
    if given := [option for name, option in given_parameters(context).items() if name not in REPLAYS_WITH]:
        raise UsageError(
            f"expected no {', '.join(given)} with --benchmark, which replays a table: it has no target and trains "
            "nothing; give bounds by --goal, such as --goal 'macs<=2e6'"
        )


REPRODUCES_WITH = ("repeat", "name", "data", "teacher", "resume", "as_json")
"""The parameters of `search` that a reproduction uses; its recipe gives all others."""


def check_only_reproduces(context: typer.Context) -> None:
    """Raise UsageError for arguments that --repeat would ignore."""
    if given := [option for name, option in given_parameters(context).items() if name not in REPRODUCES_WITH]:
        raise UsageError(
            f"expected latkit reproduce NAME to run a search again as its recipe says, but found {', '.join(given)} "
            "beside it; leave that out, or search anew"
        )


COMMANDS = (search,)
