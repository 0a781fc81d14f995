"""Profiles of torch modules: exported for the target's runtime, and then profiled like any model file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from latkit.profiling.profile import ProfileRequest
from latkit.profiling.profile.run import Outcome
from latkit.progress import SILENT, Callbacks
from latkit.targets import Target
from latkit.workspace.profiling.exported import exported_model
from latkit.workspace.profiling.profiles import profile_models
from latkit.workspace.profiling.target_session import MeasuringWorkspace


def profile_module(
    workspace: MeasuringWorkspace, target: Target, module: object, example: object, callbacks: Callbacks = SILENT
) -> Outcome:
    """Profile a torch module on a target, with the values of its example. The exported file stays in the cache.

    `example`: a tensor, or a tuple with one for each argument, with the target's batch. Raises UsageError and
    ExportError before the device is touched, and as `profile_models` does.
    """
    workspace.device(target.device)
    with tempfile.TemporaryDirectory(prefix="latkit-module-") as name:
        model = exported_model(target, module, example, Path(name))
        return profile_models(workspace, ProfileRequest(target=target, models=(model,)), callbacks)
