"""`latkit search --benchmark`: a strategy replayed on a table of real results."""

from __future__ import annotations

from pathlib import Path

import typer

from latkit.cli.console import showing_progress
from latkit.cli.render.strategy import show_strategy
from latkit.errors import LatkitError, TargetOutOfReach
from latkit.search.run_strategy_search import nothing_found
from latkit.workspace import Workspace
from latkit.workspace.requests import BenchmarkSearchRequest


def run_benchmark(root: Path, request: BenchmarkSearchRequest, as_json: bool) -> None:
    """Replay a search on a table; exit status 1 where an evaluation failed, or nothing is within the bounds."""
    workspace = Workspace(root)
    with showing_progress() as callbacks:
        record = workspace.search_benchmark(request, callbacks)
    show_strategy(record, workspace.search_dir(request.name), as_json)
    if record.best is None:
        raise TargetOutOfReach(nothing_found(record))
    if record.failures:
        raise typer.Exit(LatkitError.exit_code)
