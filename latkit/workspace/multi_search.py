"""Several searches in a row, one per target or latency. They share the warm-up; a failure ends only its own search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypedDict

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from latkit._io import write_text
from latkit.devices import OnMessage
from latkit.errors import LatkitError, UsageError
from latkit.search.records.result import FILES, Positive, as_value, load_record
from latkit.search.supernet.warmup import WARM_UP_FILE
from latkit.search.training.runtime_env import process_count
from latkit.targets import NAME, Target, check_name
from latkit.workspace.layout import Folders
from latkit.workspace.search import FinishedSearch
from latkit.workspace.workspace import Workspace

SERIES_FILE = "series.json"
"""In the folder of a series, which belongs to none of its searches: the list of its searches."""
MAX_MEMBERS = 1000
"""Searches of a series; a report shows each."""


def _search_name(name: str) -> str:
    return as_value(lambda: check_name(name, "a search's name"))


def _target(text: str) -> str:
    return as_value(lambda: str(Target.parse(text)))


class Member(BaseModel):
    """One search of a series."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    name: Annotated[str, AfterValidator(_search_name)]
    """Its folder's name under `search/`."""
    target: Annotated[str, AfterValidator(_target)]
    target_latency_s: Positive

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.name}: {self.target} at {1e3 * self.target_latency_s:.4g} ms"


def _distinct(members: tuple[Member, ...]) -> tuple[Member, ...]:
    names = [member.name for member in members]
    if len(set(names)) < len(names):
        raise ValueError(
            f"expected searches of different names, but found {len(names) - len(set(names))} more than once"
        )
    return members


class Series(BaseModel):
    """The searches requested in one command."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal["latkit-search-series-1"] = "latkit-search-series-1"
    name: Annotated[str, AfterValidator(_search_name)]
    members: Annotated[tuple[Member, ...], Field(max_length=MAX_MEMBERS), AfterValidator(_distinct)]

    @classmethod
    def plan(cls, name: str, targets: Sequence[Target], latencies_s: Sequence[float]) -> Series:
        """A search per target, at one latency for all or one for each; or per latency, on one target.

        A search's name holds what distinguishes it: `NAME-pi4-tflite-t4`, `NAME-2ms`; just `NAME` if it is
        the only one.
        """
        check_name(name, "a search's name")
        if 1 not in (len(latencies_s), len(targets)) and len(latencies_s) != len(targets):
            raise UsageError(
                f"expected one latency, or one for each of {len(targets)} targets, but found {len(latencies_s)}"
            )
        longest = max(len(targets), len(latencies_s))
        pairs = list(zip(_spread(targets, longest), _spread(latencies_s, longest), strict=True))
        if len(set(pairs)) < len(pairs):
            raise UsageError("expected different targets or latencies, but found the same ones twice")
        many_targets, many_latencies = len(set(targets)) > 1, len(set(targets)) < len(pairs)
        return cls(
            name=name,
            members=tuple(
                Member(
                    name="-".join([name, *[_slug(target)] * many_targets, *[_in_ms(latency_s)] * many_latencies]),
                    target=str(target),
                    target_latency_s=latency_s,
                )
                for target, latency_s in pairs
            ),
        )

    @classmethod
    def load(cls, path: Path) -> Series:
        """Read from JSON. Raises BadFile."""
        return load_record(cls, path, "a series of searches")

    def save(self, folder: Path) -> None:
        """Write atomically as JSON into the series' own folder."""
        folder.mkdir(exist_ok=True)
        write_text(folder / SERIES_FILE, self.model_dump_json(indent=1) + "\n")


class SearchOne(Protocol):
    """`latkit.workspace.search.search` with the arguments that all searches of a series share."""

    def __call__(
        self, *, target: Target, target_latency_s: float, name: str, resume: bool, warm_up: Path | None
    ) -> FinishedSearch:
        """Search, train, export and measure."""


class Precheck(Protocol):
    """`latkit.workspace.preflight.prepared` with the arguments that all searches of a series share."""

    def __call__(self, *, target: Target, target_latency_s: float, name: str, resume: bool) -> object:
        """Raise LatkitError if the search cannot work."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one search of a series."""

    member: Member
    finished_search: FinishedSearch | None = None
    error: LatkitError | None = None
    """The error that ended it, or its baselines."""

    def document(self) -> dict[str, Any]:
        """The figures that the command line prints, or why there are none."""
        if self.finished_search is None:
            return {"name": self.member.name, "target": self.member.target, "error": str(self.error)}
        return {"name": self.member.name, **self.finished_search.document()}


def search_series(
    workspace: Workspace, series: Series, one: SearchOne, precheck: Precheck, resume: bool, on_message: OnMessage
) -> Iterator[Outcome]:
    """Run one search after the other; with `resume`, finished ones are read and the others continue or begin.

    The warm-up of the first search that has one serves all that begin after it. Raises UsageError before any of them
    begins, and then reports which of them cannot work. A failure is in the outcome of its search; with several
    processes it ends them all.
    """
    _check(workspace, series, resume)
    _precheck_all(workspace, series, precheck, on_message)
    series.save(workspace.search_dir(series.name))
    for number, member in enumerate(series.members, start=1):
        on_message(f"{number} of {len(series.members)}  {member.title}")
        try:
            finished_search = one(**_given(workspace, member), warm_up=_warm_up(workspace, series))
        except LatkitError as error:
            if process_count() > 1:
                raise  # the other processes are where this one cannot join them
            on_message(f"failed: {error}")
            yield Outcome(member, error=error)
        else:
            yield Outcome(member, finished_search, finished_search.failed)


def _precheck_all(workspace: Workspace, series: Series, precheck: Precheck, on_message: OnMessage) -> None:
    """Report at once what would otherwise fail only hours later. It does not stop the other searches."""
    for member in series.members:
        try:
            precheck(**_given(workspace, member))
        except LatkitError as error:
            if process_count() > 1:
                raise  # it would end them all once the search begins
            on_message(f"{member.title} cannot work; the others are searched: {error}")


class _Given(TypedDict):
    target: Target
    target_latency_s: float
    name: str
    resume: bool


def _given(workspace: Workspace, member: Member) -> _Given:
    """What is specific to one search of a series; it continues where it was begun."""
    begun = (workspace.search_dir(member.name) / FILES["recipe"]).exists()
    return _Given(
        target=Target.parse(member.target),
        target_latency_s=member.target_latency_s,
        name=member.name,
        resume=begun,
    )


def _check(workspace: Workspace, series: Series, resume: bool) -> None:
    """Raise UsageError if a device is not registered, or if folders do not match `resume`."""
    for member in series.members:
        workspace.device(Target.parse(member.target).device)
    folders = [workspace.search_dir(name) for name in (series.name, *(member.name for member in series.members))]
    begun = [folder for folder in folders if (folder / FILES["recipe"]).exists()]
    if (folders[0] / FILES["recipe"]).exists():
        raise UsageError(f"{folders[0]} holds a search of one target; give the series another name")
    if begun and not resume:
        raise UsageError(f"{begun[0]} holds a search already; resume the series, or give it another name")
    if resume and not begun:
        raise UsageError(f"expected a series of searches to resume, but found none at {folders[1]}")


def _warm_up(workspace: Workspace, series: Series) -> Path | None:
    """The checkpoint that the first warm-up left for the others."""
    warm_ups = (workspace.search_dir(member.name) / WARM_UP_FILE for member in series.members)
    return next((path for path in warm_ups if path.exists()), None)


def series_named(folders: Folders, name: str) -> Series | None:
    """The series of a name; None if there is none. Raises BadFile."""
    if not NAME.fullmatch(name):
        return None  # which may also be a target, and never a path
    path = folders.search_dir(name) / SERIES_FILE
    return Series.load(path) if path.exists() else None


def searches_named(folders: Folders, names: Sequence[str]) -> list[str]:
    """The names of searches; a series stands for those of its searches that are finished. Raises UsageError."""
    found: list[str] = []
    for name in names:
        series = series_named(folders, name)
        members = [member.name for member in series.members] if series else [name]
        finished = [one for one in members if (folders.search_dir(one) / FILES["result"]).exists()]
        if not finished:
            raise UsageError(f"expected a finished search or a series with one, but found none called {name!r}")
        found += finished
    return list(dict.fromkeys(found))


def _slug(target: Target) -> str:
    """The target as part of a folder's name, without the defaults."""
    return str(target).replace("/", "-").removesuffix("-fp32-b1")


def _in_ms(latency_s: float) -> str:
    """A latency as part of a folder's name."""
    return f"{1e3 * latency_s:.6g}ms"


def _spread(values: Sequence[Any], count: int) -> Sequence[Any]:
    return list(values) * count if len(values) == 1 else values
