"""Profiles on several targets in one command: devices in parallel, the targets of one device in sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from latkit.errors import LatkitError
from latkit.profiling.profile import Profile, ProfileRequest
from latkit.profiling.scheduler import each_target
from latkit.progress import SILENT, Callbacks
from latkit.targets import Target
from latkit.workspace.profiling.profiles import profile_models
from latkit.workspace.profiling.target_session import MeasuringWorkspace


@dataclass(frozen=True, slots=True)
class Failure:
    """A model that could not be profiled on a target, or (without a model) a target that failed."""

    target: Target
    model: Path | None
    error: LatkitError


@dataclass(slots=True)
class Profiled:
    """What was profiled, in the order of the targets, and what was not."""

    profiles: list[Profile] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def profile_targets(
    workspace: MeasuringWorkspace, request: ProfileRequest, targets: Sequence[Target], callbacks: Callbacks = SILENT
) -> Profiled:
    """Profile the request's models on every target. A failure ends its own target only; of a single one, it is raised.

    One thread per device. The threads are daemons: at an interrupt the command ends at once.
    """
    if len(targets) == 1:
        return _one(workspace, replace(request, target=targets[0]), callbacks)

    def profile(target: Target) -> Profiled:
        try:
            return _one(workspace, replace(request, target=target), callbacks.named(str(target)))
        except LatkitError as error:
            return Profiled(failures=[Failure(target, None, error)])

    devices = {target: workspace.device(target.device) for target in targets}
    every = each_target(devices, profile).values()
    return Profiled([p for one in every for p in one.profiles], [f for one in every for f in one.failures])


def _one(workspace: MeasuringWorkspace, request: ProfileRequest, callbacks: Callbacks) -> Profiled:
    outcome = profile_models(workspace, request, callbacks)
    failures = [Failure(request.target, path, error) for path, error in outcome.failed.items()]
    return Profiled(list(outcome.profiles), failures)
