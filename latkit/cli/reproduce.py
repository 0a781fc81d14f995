"""`latkit search --repeat NAME`: runs a finished search again from its recipe, and compares the two bit for bit."""

from __future__ import annotations

import typer

from latkit.cli.console import ConsoleProgress, emit_json, say
from latkit.errors import LatkitError, UsageError
from latkit.progress import Silent
from latkit.search import DataSplit, TrainedNetwork
from latkit.search.data import load_data
from latkit.search.records.reproduce import Reproduction, Supplied, reproduce_search
from latkit.search.records.result import FILES, Recipe, load_record
from latkit.search.training.runtime_env import is_first_process
from latkit.workspace import Workspace
from latkit.workspace.multi_search import SERIES_FILE, Series

TAKEN = ("repeat", "name", "data", "teacher", "resume", "as_json")
"""The parameters of `search` that a reproduction uses; its recipe gives all others."""


def check_repeat_options(context: typer.Context) -> None:
    """Raise UsageError for arguments that a reproduction would ignore."""
    given = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name not in TAKEN and source is not None and source.name == "COMMANDLINE":
            given.append(parameter.opts[0] if parameter.param_type_name == "option" else "TARGET")
    if given:
        raise UsageError(
            f"expected --repeat to do a search again as its recipe says, but found {', '.join(given)} beside it; leave "
            "that out, or search anew without --repeat"
        )


def repeat(
    workspace: Workspace,
    name: str,
    again: str,
    data: str | None,
    teacher: TrainedNetwork | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Run the search in `search/NAME/` again under another name, and report if both are equal. Exits with 1 if not.

    `data`: where the images are now, if they are no longer where the recipe says. `resume`: continue an interrupted
    reproduction. Nothing is measured.
    """
    original, folder = workspace.search_dir(name), workspace.search_dir(again)
    if (original / SERIES_FILE).exists():
        members = ", ".join(member.name for member in Series.load(original / SERIES_FILE).members)
        raise UsageError(f"expected one search to repeat, but found that {name} is several: {members}; name one")
    images = _images(load_record(Recipe, original / FILES["recipe"]), data) if data else None
    supplied = Supplied(images, teacher)
    if not is_first_process():
        reproduce_search(original, folder, supplied, Silent(), resume=resume)
        return
    with ConsoleProgress() as progress:
        repetition = reproduce_search(original, folder, supplied, progress, resume=resume)
    if as_json:
        emit_json(document(name, repetition))
    else:
        say(sentence(name, repetition))
    if not repetition.equal:
        raise typer.Exit(LatkitError.exit_code)


def _images(recipe: Recipe, source: str) -> DataSplit:
    channels, resolution, _ = recipe.data.shape
    return load_data(source, resolution, channels)


def document(name: str, repetition: Reproduction) -> dict[str, object]:
    """What --json prints."""
    return {
        "search": name,
        "repeated_as": repetition.folder.name,
        "equal": repetition.equal,
        "differing": list(repetition.differing),
        "circumstances": list(repetition.circumstances),
        "accuracy": repetition.result.accuracy,
        "folder": str(repetition.folder),
    }


def sentence(name: str, repetition: Reproduction) -> str:
    """What is printed for a person."""
    again, changed = repetition.folder.name, "; ".join(repetition.circumstances)
    if repetition.equal:
        difference = f", although not all was the same ({changed})" if changed else ""
        return f"{again} is equal to {name} bit for bit in architecture, accuracy, history and weights{difference}"
    why = (
        f"not all was the same: {changed}"
        if changed
        else ("versions, machine, threads and processes were the same, so it should not: please report it")
    )
    return f"{again} differs from {name} in {', '.join(repetition.differing)}; {why}"
