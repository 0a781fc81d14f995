"""The targets that a workspace knows: measured on a device, or imported as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from latkit.errors import UsageError
from latkit.latency_models import AdditiveModel, load_model
from latkit.layout.fitted import FittedModels
from latkit.layout.folders import SPACES, Folders
from latkit.targets import Target

IMPORTED_TABLE = "imported.yaml"
"""In a target's folder: the published table that its model was made of."""


@dataclass(frozen=True, slots=True)
class TargetState:
    """What a workspace has of a target."""

    target: Target
    is_measured: bool
    models: tuple[str, ...]
    """Kinds of the fitted models."""
    spaces: tuple[str, ...]
    """Folders of the spaces that a model was fitted for."""
    profiles: int
    """Number of profiles of model files."""
    imported: str
    """File and hash of an imported table; empty if the target was measured."""
    precisions: str
    """The precisions that its device executes with its runtime; empty if they were not probed."""


def targets_of(folders: Folders) -> Iterator[Target]:
    """The targets with measurements or an imported table, in the order of their names."""
    root = folders.root / "measurements"
    found = {path.parent for name in ("measurements.sqlite", IMPORTED_TABLE) for path in root.glob(f"*/*/{name}")}
    for folder in sorted(found):
        try:
            target = Target.parse(f"{folder.parent.name}/{folder.name}")
        except UsageError:
            continue  # a folder that is not latkit's
        if folders.target_dir(target) == folder:
            yield target


def imported_from(folders: Folders, target: Target) -> str:
    """File and hash of the table that a target was imported from; empty if it was measured. Raises BadFile."""
    if not (folders.target_dir(target) / IMPORTED_TABLE).exists():
        return ""
    model = load_model(folders.model_path(target, "lookup"), AdditiveModel)
    return model.origin_.imported


def imported_devices(folders: Folders) -> dict[str, str]:
    """Where the tables of devices come from that are known by imported tables alone, by device. Raises BadFile."""
    found = {target.device: imported_from(folders, target) for target in targets_of(folders)}
    return {name: source for name, source in found.items() if source}


def _precisions(folders: Folders, target: Target) -> str:
    try:
        return folders.device(target.device).shown_precisions(target.runtime)
    except UsageError:
        return ""  # of a device that was removed, or that is known by an imported table alone


def target_states(folders: FittedModels) -> list[TargetState]:
    """All targets of a workspace. Raises BadFile."""
    states = []
    for target in targets_of(folders):
        folder = folders.target_dir(target)
        files = (*folder.glob("model-*.json"), *folder.glob(f"{SPACES}/*/model-*.json"))
        models = sorted(path.stem.removeprefix("model-") for path in files)
        spaces = sorted({path.parent.name for path in folder.glob(f"{SPACES}/*/model-*.json")})
        states.append(
            TargetState(
                target,
                folders.has_measurements(target),
                tuple(dict.fromkeys(models)),
                tuple(spaces),
                len(list(folder.glob("profiles/*.json"))),
                imported_from(folders, target),
                _precisions(folders, target),
            )
        )
    return states
