"""What `latkit profile` does between its options and its output."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from latkit.cli.console import emit_json, note, say
from latkit.cli.options import check_output
from latkit.cli.render.comparison import show_comparison
from latkit.cli.render.profile import show_profile, show_profiles
from latkit.devices import cores_of
from latkit.errors import UsageError
from latkit.evaluation.comparison import Comparison, stored_comparison, upper_ms
from latkit.layout.jobs import Job, recorded
from latkit.profiling.profile import ModelRequest, Profile, ProfileRequest
from latkit.progress import Callbacks
from latkit.targets import Target
from latkit.timing import TimingPlan
from latkit.workspace.profiling.comparisons import compare_models, stored_profile
from latkit.workspace.profiling.exported import exporting_programs
from latkit.workspace.profiling.profile_targets import Failure, profile_targets
from latkit.workspace.profiling.target_session import MeasuringWorkspace

JSON = (".json",)
"""Suffixes of JSON files."""


@dataclass(slots=True)
class Result:
    """What one command found."""

    profiles: list[Profile]
    failures: list[Failure] = field(default_factory=list)
    comparison: Comparison | None = None
    before: Profile | None = None
    """The first profile of the comparison, where it was stored before."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What ends the command with 1."""

    compare: bool
    against: str | None
    max_slowdown_percent: float | None
    max_ms: float | None

    @classmethod
    def parse(cls, compare: bool, against: str | None, fail_if_slower: str | None, max_ms: float | None) -> Self:
        """Of the options. Raises UsageError."""
        if compare and against is not None:
            raise UsageError("expected either --compare or --against, but found both")
        if max_ms is not None and not math.isfinite(max_ms):
            raise UsageError(f"expected --max-ms with a finite number of milliseconds, but found {max_ms}")
        percent = None
        if fail_if_slower is not None:
            match = re.fullmatch(r"(\d{1,4}(?:\.\d{1,4})?) ?%?", fail_if_slower.strip())
            if match is None:
                raise UsageError(
                    f"expected --fail-if-slower with a percentage such as 3%, but found {fail_if_slower!r}"
                )
            if not compare and against is None:
                raise UsageError("expected --compare or --against with --fail-if-slower, but found neither")
            percent = float(match[1])
        return cls(compare, against, percent, max_ms)

    def failed(self, result: Result) -> int:
        """The exit code; says which gate failed, and names what could not be profiled."""
        for failure in result.failures:
            what = f"{failure.model.name} on {failure.target}" if failure.model else str(failure.target)
            note(f"error: {what}: {failure.error}")
        reasons = list(self._reasons(result))
        for reason in reasons:
            note(f"failed: {reason}")
        return 1 if reasons or result.failures else 0

    def _reasons(self, result: Result) -> list[str]:
        reasons = []
        found, limit = result.comparison, self.max_slowdown_percent
        if found is not None and limit is not None and found.difference.low_percent > limit:
            reasons.append(f"{found.statement} is above {limit:g} %")
        for profile in result.profiles if self.max_ms is not None else ():
            if upper_ms(profile) > self.max_ms:  # type: ignore[operator]
                estimate = profile.latency_ms.estimate or 0.0
                reasons.append(
                    f"{profile.model} on {profile.target}: expected at most {self.max_ms:g} ms, but found "
                    f"{estimate:.4g} ms, up to {upper_ms(profile):.4g} ms"
                )
        return reasons


@dataclass(frozen=True, slots=True)
class Sweep:
    """The targets, at every number of threads and every batch."""

    targets: tuple[Target, ...]

    @classmethod
    def parse(cls, names: Sequence[str], threads: str | None, batches: str | None) -> Self:
        """Of the arguments. Raises UsageError."""
        targets = [Target.parse(name) for name in names]
        counts, sizes = _numbers("--threads", threads), _numbers("--batch", batches)
        swept = [
            replace(target, threads=count or target.threads, batch=size or target.batch)
            for target in targets
            for count in counts or (0,)
            for size in sizes or (0,)
        ]
        return cls(tuple(dict.fromkeys(swept)))


def _numbers(option: str, text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    if not re.fullmatch(r"[1-9]\d{0,5}(,[1-9]\d{0,5})*", text):
        raise UsageError(f"expected {option} with numbers such as 1,2,4, but found {text!r}")
    return tuple(int(number) for number in text.split(","))


def run(
    folder: Path, models: Sequence[Path], sweep: Sweep, gates: Gates, fields: dict[str, Any], callbacks: Callbacks
) -> Result:
    """Profile, and compare if requested. Raises LatkitError."""
    workspace = MeasuringWorkspace(folder)
    target = sweep.targets[0]
    if (gates.compare or gates.against is not None) and len(sweep.targets) > 1:
        raise UsageError(f"expected one target to compare on, but found {len(sweep.targets)}")
    request = _request(workspace, target, models, fields)
    job = Job("profile", tuple(map(str, sweep.targets)), ", ".join(model.name for model in models))
    with recorded(workspace.root, job, callbacks) as callbacks:
        return _run(workspace, request, sweep, gates, callbacks)


def _run(
    workspace: MeasuringWorkspace, request: ProfileRequest, sweep: Sweep, gates: Gates, callbacks: Callbacks
) -> Result:
    if gates.compare:
        comparison, profiles = compare_models(workspace, request, callbacks)
        return Result(list(profiles), comparison=comparison)
    if gates.against is not None:
        return _run_against(workspace, request, gates.against, callbacks)
    found = profile_targets(workspace, request, sweep.targets, callbacks)
    return Result(found.profiles, found.failures)


def _run_against(workspace: MeasuringWorkspace, request: ProfileRequest, name: str, callbacks: Callbacks) -> Result:
    if len(request.models) != 1:
        raise UsageError(f"expected one model with --against, but found {len(request.models)}")
    with exporting_programs(request) as exported:
        stored = stored_profile(workspace, exported, name, callbacks)
        found = profile_targets(workspace, exported, (exported.target,), callbacks)
    result = Result(found.profiles, found.failures, before=stored)
    if result.profiles:
        result.comparison = stored_comparison(stored, result.profiles[0])
    return result


def _request(
    workspace: MeasuringWorkspace, target: Target, models: Sequence[Path], fields: dict[str, Any]
) -> ProfileRequest:
    pin = fields["pin"]
    return ProfileRequest(
        target=target,
        models=tuple(ModelRequest(path, fields["shapes"], fields["inputs"], fields["signature"]) for path in models),
        plan=TimingPlan(fields["rounds"], fields["round_s"]),
        ops=fields["ops"],
        intervals_ms=fields["intervals_ms"],
        cores=cores_of(workspace.device(target.device), pin) if pin else (),
        wait_s=fields["wait_s"],
        max_seconds=fields["max_seconds"],
        tool=fields["tool"],
    )


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the result goes."""

    as_json: bool
    html: Path | None = None
    trace: Path | None = None
    overlay: Path | None = None

    def check(self) -> None:
        """Raise UsageError or WriteError if a file cannot be written, before anything is measured."""
        for path, suffixes in ((self.html, (".html", ".htm")), (self.trace, JSON), (self.overlay, JSON)):
            if path is not None:
                check_output(path, *suffixes)
        if self.trace is not None and self.overlay is not None and self.trace.resolve() == self.overlay.resolve():
            raise UsageError(f"expected different files for --trace and --model-explorer, but found {self.trace} twice")

    def write(self, result: Result) -> None:
        """Write the files, and print the result."""
        self._write_files(result)
        if self.as_json:
            emit_json(_document(result))
            return
        for profile in result.profiles:
            show_profile(profile)
        if len(result.profiles) > 1:
            show_profiles(result.profiles)
        if result.comparison is not None:
            before, after = (result.before or result.profiles[0]), result.profiles[-1]
            show_comparison(result.comparison, before, after)
        for path in (self.html, self.trace, self.overlay):
            if path is not None and result.profiles:
                say(f"written: {path}")

    def _write_files(self, result: Result) -> None:
        """The pages need torch and plotly: they are imported where a file is requested."""
        if not result.profiles:
            return
        if self.html is not None:
            from latkit.report.profile_page import write_profile_page

            shown = [result.before, *result.profiles] if result.before else result.profiles
            write_profile_page(shown, self.html, result.comparison)
        if self.trace is not None or self.overlay is not None:
            from latkit.report.profile_files import write_overlay, write_trace

            if self.trace is not None:
                write_trace(result.profiles, self.trace)
            if self.overlay is not None:
                write_overlay(result.profiles[-1], self.overlay)


def _document(result: Result) -> dict[str, Any]:
    """A single profile as it is; otherwise all of them, what failed, and the comparison without its raw samples."""
    if len(result.profiles) == 1 and not result.failures and result.comparison is None:
        return result.profiles[0].to_json()
    document: dict[str, Any] = {"profiles": [profile.to_json() for profile in result.profiles]}
    document["failed"] = [
        {"target": str(one.target), "model": one.model and str(one.model), "error": str(one.error)}
        for one in result.failures
    ]
    if result.comparison is not None:
        document["comparison"] = result.comparison.model_dump(mode="json", exclude={"passes", "aa_passes"})
    return document
