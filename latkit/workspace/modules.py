"""Profiles of torch modules: exported for the target's runtime, and then profiled like any model file."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from latkit._io import make_folder
from latkit.artifacts.cache import default_folder
from latkit.artifacts.files import SourceRequest, read_source
from latkit.profiling.profile import ModelRequest, ProfileRequest
from latkit.profiling.profile.run import Outcome
from latkit.progress import SILENT, Callbacks
from latkit.runtimes import get_runtime
from latkit.targets import Target
from latkit.workspace.measuring import MeasuringWorkspace
from latkit.workspace.profiles import profile_models

FOLDER = "modules"
"""In the cache, beside the artifacts: an exported module in a folder named by its content."""


def profile_module(
    workspace: MeasuringWorkspace, target: Target, module: object, example: object, callbacks: Callbacks = SILENT
) -> Outcome:
    """Profile a torch module on a target, with the values of its example. The exported file stays in the cache.

    `example`: a tensor, or a tuple with one for each argument, with the target's batch. Raises UsageError and
    ExportError before the device is touched, and as `profile_models` does.
    """
    workspace.device(target.device)
    with tempfile.TemporaryDirectory(prefix="latkit-module-") as name:
        folder = Path(name)
        path = _exported(target, module, example)
        inputs = _values(target, path, example, folder)
        request = ProfileRequest(target=target, models=(ModelRequest(path, inputs=inputs),))
        return profile_models(workspace, request, callbacks)


def _exported(target: Target, module: object, example: object) -> Path:
    """The exported file in the cache."""
    from latkit.artifacts.user_module import export_user_module  # needs torch

    runtime, home = get_runtime(target.runtime), default_folder().parent / FOLDER
    make_folder(home)
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", type(module).__name__)[:60] or "module"
    with tempfile.TemporaryDirectory(prefix=".export-", dir=home) as name:
        made = export_user_module(runtime, module, example, Path(name, f"{stem}{runtime.suffix}"))
        place = home / made.sha256[:16] / made.path.name
        make_folder(place.parent)
        return made.path.replace(place)


def _values(target: Target, path: Path, example: object, folder: Path) -> Path:
    """An `.npz` file with the example's values by input of the exported file."""
    from latkit.artifacts.user_module import example_tensors, example_values

    source = read_source(SourceRequest(path, batch=target.batch))
    place = folder / "example.npz"
    values: dict[str, Any] = dict(example_values(source, example_tensors(example)))
    np.savez(place, **values)
    return place
