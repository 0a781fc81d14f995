"""Profiles in a workspace: model files profiled on a target, and the profiles saved before."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from latkit._io import make_folder
from latkit.artifacts.files import ModelSource, SourceRequest, check_runtime, read_source
from latkit.devices import RecoveringSession
from latkit.devices.android.benchmark_model import check_takes_tool
from latkit.errors import BadFile, UsageError
from latkit.graphs import ModelFile
from latkit.profiling.profile import Predicted, Profile, ProfileRequest
from latkit.profiling.profile.records import oldest_first
from latkit.profiling.profile.run import Outcome, ProfileRun
from latkit.progress import SILENT, Callbacks, OnMessage, ignore
from latkit.targets import Target
from latkit.workspace.profiling.exported import exporting_programs
from latkit.workspace.profiling.target_session import MeasureOptions, MeasuringWorkspace

FOLDER = "profiles"
"""In a target's folder."""
MAX_STEM_CHARS = 60


def profile_models(
    workspace: MeasuringWorkspace,
    request: ProfileRequest,
    callbacks: Callbacks = SILENT,
) -> Outcome:
    """Profile model files on a target, and save the profiles. Rounds of an interrupted profile are used.

    A `.pt2` file is exported for the target's runtime first. Raises BadFile and UsageError for files that cannot be
    used, before the device is touched; ModelRejected for a single model that the runtime rejects; DeviceError.
    """
    with exporting_programs(request) as exported:
        return _profile_files(workspace, exported, callbacks)


def _profile_files(workspace: MeasuringWorkspace, request: ProfileRequest, callbacks: Callbacks) -> Outcome:
    sources = read_sources(request)
    target = request.target
    options = MeasureOptions(request.plan, request.wait_s, request.cores, tool=request.tool)
    with workspace.collection(target, options, callbacks) as collection:
        # the device is ours from here: no other command takes the same number
        number = max((next_repetition(workspace, target, source.model) for source in sources), default=0)
        session = collection.session
        if not isinstance(session, RecoveringSession):
            raise UsageError(f"expected one of latkit's agents on {target.device} for a profile")
        run = ProfileRun(
            collection=collection,
            session=session,
            request=request,
            peaks_path=workspace.target_dir(target) / "peaks.json",
            repetition=number,
            predict=_predictor(workspace, target),
        )
        outcome = run.run(sources)
        for profile in outcome.profiles:
            if profile.complete:
                save(workspace, target, profile)
    if not outcome.profiles and outcome.failed:
        raise next(iter(outcome.failed.values()))
    return outcome


def read_sources(request: ProfileRequest) -> list[ModelSource]:
    """The model files with their inputs. Raises BadFile and UsageError; MissingExtra for TFLite files."""
    if request.tool is not None:
        check_takes_tool(request.target, "--benchmark-tool")
        if any(model.inputs or model.signature for model in request.models):
            raise UsageError("expected no --inputs or --signature with --benchmark-tool, which makes inputs of its own")
    for model in request.models:
        check_runtime(model.path, request.target)
    sources = [
        read_source(SourceRequest(model.path, model.shapes, model.inputs, model.signature, request.target.batch))
        for model in request.models
    ]
    paths: dict[ModelFile, Path] = {}
    for source in sources:
        if source.model in paths:
            raise UsageError(f"expected different models, but {source.path} and {paths[source.model]} are the same")
        paths[source.model] = source.path
    return sources


def profiles_folder(workspace: MeasuringWorkspace, target: Target) -> Path:
    """Where a target's profiles are saved."""
    return workspace.target_dir(target) / FOLDER


def saved_profiles(workspace: MeasuringWorkspace, target: Target, on_message: OnMessage = ignore) -> list[Profile]:
    """All saved profiles of a target, oldest first. Files that cannot be read are named and left out."""
    found = []
    for path in sorted(profiles_folder(workspace, target).glob("*.json")):
        try:
            found.append(Profile.load(path))
        except BadFile as error:
            on_message(str(error))
    return oldest_first(found)


def next_repetition(workspace: MeasuringWorkspace, target: Target, model: ModelFile) -> int:
    """The number of saved profiles of the same file and inputs: that of the profile to make, or to finish."""
    numbers = [
        int(match[1])
        for path in profiles_folder(workspace, target).glob(f"*-{model.key[:8]}-*.json")
        if (match := re.search(r"-(\d{1,9})\.json$", path.name))
    ]
    return max(numbers, default=-1) + 1


def profile_path(workspace: MeasuringWorkspace, target: Target, profile: Profile) -> Path:
    """Where a profile is saved: the file's stem, its key, and the repetition."""
    model = profile.model_file
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(model.name).stem)[:MAX_STEM_CHARS].strip("-.") or "model"
    return profiles_folder(workspace, target) / f"{stem}-{model.key[:8]}-{profile.repetition}.json"


def save(workspace: MeasuringWorkspace, target: Target, profile: Profile) -> Path:
    """Write a profile; returns its path."""
    path = profile_path(workspace, target, profile)
    make_folder(path.parent)
    profile.save(path)
    return path


def _predictor(workspace: MeasuringWorkspace, target: Target) -> Callable[[ModelSource], Predicted | None]:
    """What the target's model of kernels says, where there is one."""
    if not workspace.kernel_model_path(target).exists():
        return lambda _source: None

    def predict(source: ModelSource) -> Predicted | None:
        if source.model.format != "onnx":
            return None
        from latkit.runtimes.onnx.graph import read_graph

        shapes = {tensor.name: tensor.shape for tensor in source.model.inputs}
        graph = read_graph(source.path, shapes, target.batch)
        total = workspace.kernel_model(target).predict(graph)
        low, high = total.interval or (None, None)
        return Predicted(
            model="kernels",
            ms=1e3 * total.seconds,
            low_ms=None if low is None else 1e3 * low,
            high_ms=None if high is None else 1e3 * high,
        )

    return predict
