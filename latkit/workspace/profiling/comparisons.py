"""Comparisons in a workspace: two model files in interleaved passes, or one beside a stored profile."""

from __future__ import annotations

import random
import re
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from latkit._io import make_folder, one_line
from latkit.artifacts.files import ModelSource
from latkit.devices import RecoveringSession
from latkit.errors import UsageError
from latkit.evaluation.ab import MAX_HALF_WIDTH, MAX_PASSES, MIN_PASSES, difference, is_precise
from latkit.evaluation.comparison import Comparison, check_same_setup, interleaved_comparison, upper_ms
from latkit.profiling.collector import Collection
from latkit.profiling.profile import Profile, ProfileRequest
from latkit.profiling.profile.pairs import PairPass, PairTimer, SecondLoad
from latkit.progress import SILENT, Callbacks, Progress
from latkit.runtimes import get_runtime
from latkit.targets import Target
from latkit.timing import uses_cpu_time
from latkit.workspace.profiling.exported import exporting_programs
from latkit.workspace.profiling.profiles import profile_models, read_sources, saved_profiles
from latkit.workspace.profiling.target_session import MeasureOptions, MeasuringWorkspace

FOLDER = "comparisons"
"""In a target's folder."""
PHASE = "comparing"


@dataclass(frozen=True, slots=True)
class _Passes:
    """The passes of a comparison so far."""

    use_cpu_time: bool
    ab: list[PairPass] = field(default_factory=list)
    aa: list[PairPass] = field(default_factory=list)

    @property
    def log_ratios(self) -> list[float]:
        """One per pass of both models."""
        return [one.log_ratio(self.use_cpu_time) for one in self.ab]

    @property
    def expected(self) -> int:
        """How many passes will be needed: the half-width falls with their square root."""
        if len(self.ab) < MIN_PASSES:
            return MIN_PASSES
        found = difference(self.log_ratios)
        needed = len(self.ab) * ((found.high - found.low) / 2 / MAX_HALF_WIDTH) ** 2
        return min(max(round(needed), len(self.ab) + 1), MAX_PASSES)


def compare_models(
    workspace: MeasuringWorkspace, request: ProfileRequest, callbacks: Callbacks = SILENT
) -> tuple[Comparison, tuple[Profile, ...]]:
    """Profile two model files, compare them in interleaved passes, and save all of it.

    Raises UsageError unless there are two models, NotMeasured if the time ran out, and as `profile_models`.
    """
    if len(request.models) != 2:
        raise UsageError(f"expected two models to compare, but found {len(request.models)}")
    if request.tool is not None:
        raise UsageError("expected latkit's agent for a comparison, which alternates two models, but found a tool")
    with exporting_programs(request) as exported:
        return _compare_files(workspace, exported, callbacks)


def _compare_files(
    workspace: MeasuringWorkspace, request: ProfileRequest, callbacks: Callbacks
) -> tuple[Comparison, tuple[Profile, ...]]:
    outcome = profile_models(workspace, request, callbacks)
    for error in outcome.failed.values():
        raise error
    before, after = outcome.profiles
    with workspace.collection(request.target, _options(request), callbacks) as collection:
        passes = time_passes(collection, read_sources(request), callbacks.progress, request.max_seconds)
    found = interleaved_comparison(before, after, passes.ab, passes.aa, passes.use_cpu_time)
    _save(workspace, request.target, found)
    return found, outcome.profiles


def _options(request: ProfileRequest) -> MeasureOptions:
    return MeasureOptions(request.plan, request.wait_s, request.cores)


def time_passes(
    collection: Collection, sources: list[ModelSource], progress: Progress, max_seconds: float | None = None
) -> _Passes:
    """Passes of both models, and of the first against itself, until the interval is narrow enough.

    Of a single model, only those against itself.
    """
    target, session = collection.store.target, collection.session
    if not isinstance(session, RecoveringSession):
        raise UsageError(f"expected one of latkit's agents on {target.device} for a comparison")
    found, runtime, rng = _Passes(uses_cpu_time(target)), get_runtime(target.runtime), random.Random()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="latkit-compare-") as name:
        first, *others = (source.artifact(runtime, Path(name)) for source in sources)
        again = (PairTimer(session, first, SecondLoad.of(first), rng), found.aa if others else found.ab)
        timers = [*((PairTimer(session, first, second, rng), found.ab) for second in others), again]
        while len(found.ab) < MAX_PASSES and not is_precise(found.log_ratios):
            rng.shuffle(timers)
            for timer, passes in timers:
                passes.append(timer.time_pass())
            progress.advance(PHASE, len(found.ab), found.expected)
            if max_seconds is not None and time.monotonic() - begun > max_seconds:
                break
    return found


def stored_profile(
    workspace: MeasuringWorkspace, request: ProfileRequest, name: str, callbacks: Callbacks = SILENT
) -> Profile:
    """The latest stored profile of that name, to compare the request's only model with.

    `name`: a model's file name, its stem, a hash's beginning, or the path of a stored profile. Profiles on the inputs
    of the request come before others. Raises, before anything is measured, UsageError, which lists the names, or says
    that the same file was profiled on other inputs; BadFile; NotMeasured for a profile without an interval; and
    MeasurementConflict if the setup is another one.
    """
    (source,) = read_sources(request)
    if Path(name).suffix == ".json" and Path(name).is_file():
        fitting = [Profile.load(name)]
    else:
        fitting = _profiles_named(workspace, request.target, name, callbacks)
    inputs = source.model.inputs_text
    stored = next((one for one in reversed(fitting) if one.model_file.inputs_text == inputs), fitting[-1])
    other = stored.model_file.inputs_text
    if other != inputs and stored.sha256 == source.model.sha256:
        raise UsageError(
            f"expected a stored profile of {one_line(source.path.name)} on {one_line(inputs)}, but found one on "
            f"{one_line(other)}; profile it on these inputs first, or give those with --shape"
        )
    upper_ms(stored)  # raises if it has no interval
    with workspace.collection(request.target, _options(request), callbacks) as collection:
        check_same_setup(stored, str(request.target), collection.environment().to_json())
    return stored


def _profiles_named(workspace: MeasuringWorkspace, target: Target, name: str, callbacks: Callbacks) -> list[Profile]:
    """At least one, oldest first. Raises UsageError, which lists the names."""
    known = saved_profiles(workspace, target, callbacks.on_message)
    fitting = [
        profile
        for profile in known
        if name in (profile.model, Path(profile.model).stem) or (len(name) >= 8 and profile.sha256.startswith(name))
    ]
    if not fitting:
        names = ", ".join(dict.fromkeys(one_line(profile.model, 80) for profile in known)) or "none"
        raise UsageError(f"expected a stored profile on {target}, but found none of {name!r}; stored profiles: {names}")
    return fitting


def _save(workspace: MeasuringWorkspace, target: Target, found: Comparison) -> Path:
    stems = [re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(one.model).stem)[:40].strip("-.") for one in (found.a, found.b)]
    folder = workspace.target_dir(target) / FOLDER
    make_folder(folder)
    moment = re.sub(r"[^0-9T]", "", found.created_at.partition("+")[0])
    path = folder / f"{stems[0] or 'a'}-{stems[1] or 'b'}-{found.b.sha256[:8]}-{moment}.json"
    found.save(path)
    return path
