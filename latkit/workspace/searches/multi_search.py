"""Several searches in a row, one per target or latency. They share the warm-up; a failure ends only its own search."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from latkit.errors import LatkitError, UsageError
from latkit.layout import Folders
from latkit.layout.series import Member, Series
from latkit.progress import OnMessage, ignore
from latkit.search.records.result import FILES
from latkit.search.supernet.warmup import WARM_UP_FILE
from latkit.search.training.runtime_env import process_count
from latkit.targets import Target
from latkit.workspace.searches.single_search import FinishedSearch


class Searcher(Protocol):
    """What a series needs for each of its searches."""

    def precheck(self, member: Member, resume: bool) -> None:
        """Raise LatkitError if the search cannot work."""

    def search(self, member: Member, resume: bool, warm_up: Path | None) -> FinishedSearch:
        """Search, train, export and measure."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one search of a series."""

    member: Member
    finished_search: FinishedSearch | None = None
    error: LatkitError | None = None
    """The error that ended it, or its baselines."""

    @property
    def failures(self) -> int:
        """How many evaluations of its strategy failed."""
        strategy = self.finished_search.strategy if self.finished_search else None
        return strategy.failures if strategy else 0

    def document(self) -> dict[str, Any]:
        """The figures that the command line prints, or why there are none."""
        if self.finished_search is None:
            return {"name": self.member.name, "target": self.member.target, "error": str(self.error)}
        return {"name": self.member.name, **self.finished_search.document()}


def search_series(
    folders: Folders, series: Series, searcher: Searcher, resume: bool, on_message: OnMessage = ignore
) -> Iterator[Outcome]:
    """Run one search after the other; with `resume`, finished ones are read and the others continue or begin.

    The warm-up of the first search that has one serves all that begin after it. Raises UsageError before any of them
    begins, and then reports which of them cannot work. A failure is in the outcome of its search; with several
    processes it ends them all.
    """
    _check(folders, series, resume)
    _precheck_all(folders, series, searcher, on_message)
    series.save(folders.search_dir(series.name))
    for number, member in enumerate(series.members, start=1):
        on_message(f"{number} of {len(series.members)}  {member.title}")
        try:
            found = searcher.search(member, _has_begun(folders, member), _warm_up(folders, series))
        except LatkitError as error:
            if process_count() > 1:
                raise  # the other processes are where this one cannot join them
            on_message(f"failed: {error}")
            yield Outcome(member, error=error)
        else:
            for note in found.notes:
                on_message(f"{member.name}: {note}")
            yield Outcome(member, found, found.failed)


def _precheck_all(folders: Folders, series: Series, searcher: Searcher, on_message: OnMessage) -> None:
    """Report at once what would otherwise fail only hours later. It does not stop the other searches."""
    for member in series.members:
        try:
            searcher.precheck(member, _has_begun(folders, member))
        except LatkitError as error:
            if process_count() > 1:
                raise  # it would end them all once the search begins
            on_message(f"{member.title} cannot work; the others are searched: {error}")


def _has_begun(folders: Folders, member: Member) -> bool:
    """Whether the search continues where it was interrupted."""
    return (folders.search_dir(member.name) / FILES["recipe"]).exists()


def _check(folders: Folders, series: Series, resume: bool) -> None:
    """Raise UsageError if a device is not registered, or if folders do not match `resume`."""
    for member in series.members:
        folders.device(Target.parse(member.target).device)
    places = [folders.search_dir(name) for name in (series.name, *(member.name for member in series.members))]
    begun = [place for place in places if (place / FILES["recipe"]).exists()]
    if (places[0] / FILES["recipe"]).exists():
        raise UsageError(f"{places[0]} holds a search of one target; give the series another name")
    if begun and not resume:
        raise UsageError(f"{begun[0]} holds a search already; resume the series, or give it another name")
    if resume and not begun:
        raise UsageError(f"expected a series of searches to resume, but found none at {places[1]}")


def _warm_up(folders: Folders, series: Series) -> Path | None:
    """The checkpoint that the first warm-up left for the others."""
    warm_ups = (folders.search_dir(member.name) / WARM_UP_FILE for member in series.members)
    return next((path for path in warm_ups if path.exists()), None)
