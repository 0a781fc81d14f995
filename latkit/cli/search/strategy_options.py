"""Options of a search by a strategy, and the plan that they stand for."""

from __future__ import annotations

from typing import Annotated

import typer

STRATEGY = "Search by a strategy"
"""Group of options in --help."""

StrategyName = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        metavar="NAME",
        help="Search by a strategy, such as evolution; latkit strategies lists them.",
        rich_help_panel=STRATEGY,
    ),
]
EvaluatorName = Annotated[
    str,
    typer.Option(
        "--evaluator",
        metavar="NAME[:WITH]",
        help="How architectures are judged: trained:EPOCHS, predicted, or shared-weights:FOLDER.",
        rich_help_panel=STRATEGY,
    ),
]
BenchmarkName = Annotated[
    str | None,
    typer.Option(
        "--benchmark",
        metavar="NAME",
        help="Replay on a table of real results, such as nasbench201; --data names its folder.",
        rich_help_panel=STRATEGY,
    ),
]
GoalTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--goal",
        metavar="GOAL",
        help="METRIC:max, seconds:min, macs<=2e6; repeat. Several to maximize or minimize give a front.",
        rich_help_panel=STRATEGY,
    ),
]
Evaluations = Annotated[
    int, typer.Option("--evaluations", min=1, help="Budget in evaluations.", rich_help_panel=STRATEGY)
]
EvaluationSeconds = Annotated[
    float | None,
    typer.Option("--evaluation-seconds", min=0, help="Budget in seconds of evaluations.", rich_help_panel=STRATEGY),
]
EvaluationEpochs = Annotated[
    float | None,
    typer.Option("--evaluation-epochs", min=0, help="Budget in epochs of training.", rich_help_panel=STRATEGY),
]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Architectures pending at once.", rich_help_panel=STRATEGY)]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Processes that evaluate.", rich_help_panel=STRATEGY)]
ClusterAddress = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="Evaluate on a Ray cluster: auto, or HOST:PORT.",
        rich_help_panel=STRATEGY,
    ),
]
StrategySettings = Annotated[
    list[str] | None,
    typer.Option(
        "--strategy-set",
        metavar="NAME=VALUE",
        help="A setting of the strategy, such as population=50; repeat.",
        rich_help_panel=STRATEGY,
    ),
]
MeasureWhereUnsure = Annotated[
    bool,
    typer.Option(
        "--measure-unsure",
        help="Measure on the target where the predicted interval contains the bound.",
        rich_help_panel=STRATEGY,
    ),
]
