"""What a search left behind, read once for all sections."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from latkit.errors import BadFile, NotMeasured, UsageError
from latkit.models import MODELS, LatencyModel
from latkit.ops import Network
from latkit.report.target_facts import targets_of
from latkit.report.words import short
from latkit.search import Recipe, SearchResult
from latkit.search.result import FILES, load_record
from latkit.spaces import BUILT_IN, Space
from latkit.tables import LatencyTable
from latkit.targets import Target
from latkit.validate import NetworkResult
from latkit.workspace import MEASURED_FILE, Workspace

WIDTHS = (1.0, 0.25, 0.35, 0.5, 0.75, 1.25, 1.3, 1.4, 1.5, 2.0)
"""The width multipliers under which a search's space is looked for; its key tells whether it was found."""


class History(BaseModel):
    """The course of a search: one row per epoch of each phase."""

    model_config = ConfigDict(extra="forbid")
    format: Literal["latkit-search-history-1"]
    choices: list[str]
    search: list[dict[str, Any]]
    training: list[dict[str, Any]]


@dataclass(frozen=True)
class SearchFacts:
    """One search's recipe and what there is of its results; all but the recipe may be absent."""

    name: str
    recipe: Recipe
    result: SearchResult | None
    history: History | None
    network: Network | None
    table: LatencyTable | None
    measured: NetworkResult | None
    target: Target | None
    """The target on which the network was measured, where the workspace's measurements tell."""
    model: LatencyModel | None
    """A model of that target which knows the network's ops."""
    space: Space | None
    """The space that was searched, where it is a built-in one."""


def read_search(workspace: Workspace, name: str) -> SearchFacts:
    """Everything that a search left behind. Raises UsageError naming the searches that exist, and BadFile."""
    folder = workspace.root / "search" / name
    known = list(searches_of(workspace))
    if name not in known:
        listed = ", ".join(known) or "none"
        raise UsageError(f"unknown search {name!r}; known searches: {listed} (a target is written DEVICE/RUNTIME)")
    recipe = load_record(Recipe, folder / FILES["recipe"])
    network = Network.load(path) if (path := folder / FILES["architecture"]).exists() else None
    target = _target_of(workspace, network) if network else None
    return SearchFacts(
        name=name,
        recipe=recipe,
        result=load_record(SearchResult, path) if (path := folder / FILES["result"]).exists() else None,
        history=_read(History, path) if (path := folder / FILES["history"]).exists() else None,
        network=network,
        table=LatencyTable.load(path) if (path := folder / FILES["table"]).exists() else None,
        measured=_read(NetworkResult, path) if (path := folder / MEASURED_FILE).exists() else None,
        target=target,
        model=_model_of(workspace, target, network) if target and network else None,
        space=_space_of(recipe),
    )


def searches_of(workspace: Workspace) -> Iterator[str]:
    """The names of the searches that were begun."""
    return (path.parent.name for path in sorted((workspace.root / "search").glob(f"*/{FILES['recipe']}")))


def _read(kind: type[Any], path: Path) -> Any:
    """A record of a kind from JSON. Raises BadFile."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BadFile(path, f"a {kind.__name__} as JSON", f"{where}: {first['msg']}") from error


def _target_of(workspace: Workspace, network: Network) -> Target | None:
    """The one target on which the network was measured; None where there is none or several."""
    holding = [
        target
        for target in targets_of(workspace)
        if any(measurement.subject == network for measurement in workspace.measurements(target))
    ]
    return holding[0] if len(holding) == 1 else None


def _model_of(workspace: Workspace, target: Target, network: Network) -> LatencyModel | None:
    for kind in MODELS:
        if workspace.model_path(target, kind).exists():
            model = workspace.model(target, kind)
            try:
                model.layer_seconds(network.ops)
            except NotMeasured:
                continue
            return model
    return None


def _space_of(recipe: Recipe) -> Space | None:
    """The built-in space of that name and key, looked for over its parameters.

    A recipe names its space and holds its key, which no other space has; what is found is the space, or nothing.
    """
    make = BUILT_IN.get(recipe.space)
    if make is None:
        return None
    channels, resolution, _ = recipe.data.shape
    images: dict[str, Any] = {"resolution": resolution, "classes": len(recipe.data.class_names)}
    if "channels" in inspect.signature(make).parameters:
        images["channels"] = channels
    spaces = (make(width=width, **images) for width in WIDTHS)
    return next((space for space in spaces if space.key == recipe.space_key), None)


def candidate_names(facts: SearchFacts, widths: Sequence[int]) -> list[list[str]]:
    """What to call the candidates of every choice: their ops where the space is known, else their numbers."""
    if facts.space is None:
        return [[f"#{index}" for index in range(width)] for width in widths]
    return [[short(op) for op in layer.candidates] for layer in facts.space.choices]
