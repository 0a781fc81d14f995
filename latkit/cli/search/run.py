"""Runs a search that was asked for, now or when it began, and prints what it found."""

from __future__ import annotations

from pathlib import Path

from latkit.cli.console import showing_progress
from latkit.cli.render.search import show_outcomes
from latkit.cli.search.benchmark import run_benchmark
from latkit.workspace import Workspace
from latkit.workspace.requests import SearchRequest


def run_search(workspace: Workspace, request: SearchRequest, as_json: bool) -> None:
    """Search, and print what was found."""
    with showing_progress() as callbacks:
        run = workspace.search(request, callbacks)
    if run.outcomes:  # else this is one of torchrun's other processes
        show_outcomes(run, as_json)


def resume_search(root: Path, name: str, wait_s: float, as_json: bool) -> None:
    """Continue a search as its folder says that it was asked for."""
    workspace = Workspace(root)
    request = workspace.saved_request(name)
    if isinstance(request, SearchRequest):
        run_search(workspace, request.model_copy(update={"wait_s": wait_s}), as_json)
    else:
        run_benchmark(root, request, as_json)
