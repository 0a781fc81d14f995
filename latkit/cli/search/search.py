"""`latkit search`: the most accurate network at a given latency on a given target, or one for each of several."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from latkit._io import checking
from latkit.cli.console import showing_progress
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
from latkit.errors import LatkitError, UsageError


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
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a search that was interrupted.")] = False,
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
    from latkit.cli.parsing import (
        in_precisions,
        parse_constraints,
        parse_settings,
        read_settings,
        space_named,
        targets_named,
        tool_named,
    )
    from latkit.cli.render.search import show_errors, show_search
    from latkit.cli.search.benchmark import run_benchmark
    from latkit.search.records.strategy import StrategyPlan
    from latkit.workspace import Workspace
    from latkit.workspace.requests import BenchmarkSearchRequest, SearchRequest
    from latkit.workspace.searches.search_job import started_inputs

    if repeat:
        check_only_reproduces(context)
        hint("latkit search --repeat NAME", "latkit reproduce NAME")
        reproduce(context, repeat, name, data, teacher, resume, as_json)
        return
    plan: StrategyPlan | None = None
    if strategy or benchmark:
        with checking("search by a strategy"):
            plan = StrategyPlan(
                strategy=strategy or "evolution",
                settings=parse_settings(strategy_setting or (), "--strategy-set"),
                seed=seed,
                goals=tuple(goal or ()),
                evaluations=evaluations,
                max_seconds=evaluation_seconds,
                max_epochs=evaluation_epochs,
                batch=batch,
                evaluator=evaluator,
                measure_unsure=measure_unsure,
            )
    else:
        check_no_strategy(context)
    if benchmark and plan is not None:
        check_only_replays(context)
        if not (data and name):
            raise UsageError(
                "expected --data FOLDER and --name NAME with --benchmark, but found no "
                + ("--name" if data else "--data")
            )
        replay = BenchmarkSearchRequest(
            benchmark=benchmark,
            data=Path(data),
            name=name,
            strategy=plan,
            workers=workers,
            cluster=cluster,
            resume=resume,
        )
        run_benchmark(workspace_folder(context), replay, as_json)
        return
    workspace = Workspace(workspace_folder(context))
    chain, data = started_inputs(workspace, None if space else start_from, data, resolution, width)
    if not (targets and (space or chain) and data and latency_ms and name):
        given = {"TARGET": targets, "--space": space or chain, "--data": data, "--latency-ms": latency_ms}
        raise missing_error({**given, "--name": name})
    request = SearchRequest(
        targets=targets_named(targets),
        space=in_precisions(chain or space_named(str(space), resolution, width, classes, channels), precision),
        data=data,
        latencies_s=tuple(one_ms / 1e3 for one_ms in latency_ms),
        name=name,
        model=model,
        settings={**seed_of(context, seed, read_settings(settings_file)), **parse_settings(setting or ())},
        quick=quick,
        constraints=parse_constraints(constraint or ()),
        teacher=teacher,
        baselines=tuple(baseline or ()),
        resume=resume,
        start_from=start_from,
        strategy=plan,
        workers=workers,
        cluster=cluster,
        wait_s=wait,
        benchmark_tool=tool_named(benchmark_tool, benchmark_flag),
    )
    with showing_progress() as callbacks:
        run = workspace.search(request, callbacks)
    if not run.outcomes:
        return  # one of torchrun's other processes
    show_search(run, as_json)
    errors = [outcome.error for outcome in run.outcomes if outcome.error]
    if errors and not run.is_series:
        raise errors[0]
    if errors:
        show_errors(run)
    if errors or any(outcome.failures for outcome in run.outcomes):
        raise typer.Exit(LatkitError.exit_code)


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


def seed_of(context: typer.Context, seed: int, settings: Mapping[str, object]) -> dict[str, object]:
    """The settings of a file with the seed: that of --seed where it was given, else the file's."""
    return {**settings, "seed": seed} if "seed" in given_parameters(context) else {"seed": seed, **settings}


def missing_error(required: Mapping[str, object]) -> UsageError:
    """The error that names what a search lacks."""
    missing = ", ".join(name for name, value in required.items() if not value)
    return UsageError(
        f"expected {', '.join(required)}, but found no {missing}; to do a finished search again: latkit reproduce NAME"
    )


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
