"""A series: the searches that one command requested, one per target or latency."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from latkit._io import checking, write_record
from latkit.errors import UsageError
from latkit.layout.folders import Folders
from latkit.search.records.base import load_record
from latkit.search.records.result import FILES, Positive, as_value
from latkit.targets import NAME, Target, check_name

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
        with checking(f"searches {name}"):
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
        write_record(folder / SERIES_FILE, self.model_dump(mode="json"))


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
