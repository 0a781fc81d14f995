"""What a workspace holds at this moment, read without disturbing what runs: no database is opened, no torch imported.

Files that did not change are not read again. What cannot be read is reported, and the rest is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from heapq import nlargest
from pathlib import Path
from typing import Any

from latkit._io import load_json, one_line
from latkit.errors import LatkitError
from latkit.layout import FittedModels
from latkit.layout.jobs import JobRecord, jobs_of
from latkit.layout.targets import targets_of
from latkit.search.tasks import DEFAULT_TASK, TASKS, Metric
from latkit.workspace.devices import DeviceState, device_states

MAX_SHOWN = 30
"""Profiles, searches and targets that are shown: those that changed last."""
MAX_RECORD_BYTES = 2**24
SECONDS_BETWEEN_READINGS = 3.0
"""Of all but the jobs. The view must not disturb what is measured on this machine."""
FIELDS = (
    *("space", "target_latency_s", "predicted_latency_s", "task"),
    *("network", "model", "emulated", "latency_ms"),
)
"""What is kept of a record, beside its score."""

KINDS = {
    "recipe.json": "search",
    "supernet.json": "supernet",
    "strategy.json": "search on a benchmark",
    "history.jsonl": "search on a benchmark",
    "quantized.json": "precisions of a network",
    "series.json": "series of searches",
}
"""What a folder of `search/` holds, by the first of these files that is in it."""
RESULTS = {
    "search": "result.json",
    "supernet": "supernet-result.json",
    "search on a benchmark": "strategy.json",
    "precisions of a network": "quantized.json",
    "series of searches": "series.json",
}
"""The file that a finished one has."""
WITH_A_PAGE = ("search", "search on a benchmark", "series of searches")


@dataclass(frozen=True, slots=True)
class SearchRow:
    """A folder of `search/`."""

    name: str
    kind: str
    is_finished: bool
    changed_at: float
    space: str = ""
    requested_s: float | None = None
    predicted_s: float | None = None
    measured_s: float | None = None
    score: str = ""
    """Title and value of the task's metric, for people."""

    @property
    def has_page(self) -> bool:
        """Whether a report can be made of it."""
        return self.kind in WITH_A_PAGE


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """A saved profile of a model file."""

    folder: str
    """Of its target, as part of an address: `pi4/tflite-t4-fp32-b1`."""
    stem: str
    model: str
    p50_ms: float
    p99_ms: float
    emulated: bool
    changed_at: float


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A target with measurements or an imported table."""

    name: str
    models: tuple[str, ...]
    spaces: int
    profiles: int
    imported: bool
    changed_at: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that the view shows."""

    jobs: tuple[JobRecord, ...] = ()
    """The latest begun first."""
    devices: tuple[DeviceState, ...] = ()
    searches: tuple[SearchRow, ...] = ()
    """Those that changed last, the latest first; so are profiles and targets."""
    profiles: tuple[ProfileRow, ...] = ()
    targets: tuple[TargetRow, ...] = ()
    counts: tuple[int, int, int] = (0, 0, 0)
    """Of all searches, profiles and targets."""
    troubles: tuple[str, ...] = ()


@dataclass(slots=True)
class Reader:
    """Reads snapshots of a workspace one after the other; not for several threads at once."""

    workspace: FittedModels
    _read_at: float = float("-inf")
    _latest: Snapshot = field(default_factory=Snapshot)
    _saved: dict[Path, tuple[tuple[int, int], Any]] = field(default_factory=dict)

    def read(self) -> Snapshot:
        """The workspace as it is now; all but its jobs may be a few seconds old."""
        if time.monotonic() - self._read_at >= SECONDS_BETWEEN_READINGS:
            self._latest = self._read()
            self._read_at = time.monotonic()
        return replace(self._latest, jobs=tuple(jobs_of(self.workspace.root)))

    def _read(self) -> Snapshot:
        troubles: list[str] = []
        devices = self._devices(troubles)
        searches = [row for folder in self._folders("search/*") if (row := self._search(folder, troubles))]
        profiles = list(self._folders("measurements/*/*/profiles/*.json"))
        targets = [self._target(str(target)) for target in targets_of(self.workspace)]
        latest = nlargest(MAX_SHOWN, profiles, key=_changed_at)
        return Snapshot(
            devices=devices,
            searches=tuple(nlargest(MAX_SHOWN, searches, key=lambda row: row.changed_at)),
            profiles=tuple(one for path in latest if (one := self._profile(path, troubles))),
            targets=tuple(nlargest(MAX_SHOWN, targets, key=lambda row: row.changed_at)),
            counts=(len(searches), len(profiles), len(targets)),
            troubles=tuple(troubles),
        )

    def _folders(self, pattern: str) -> Iterator[Path]:
        with suppress(OSError):
            yield from self.workspace.root.glob(pattern)

    def _devices(self, troubles: list[str]) -> tuple[DeviceState, ...]:
        """The devices that can be read."""
        found = []
        for path in sorted(self._folders("devices/*.toml")):
            try:
                found += device_states(self.workspace, path.stem)
            except LatkitError as error:
                troubles.append(str(error))
        return tuple(found)

    def _search(self, folder: Path, troubles: list[str]) -> SearchRow | None:
        kind = next((kind for name, kind in KINDS.items() if (folder / name).is_file()), None)
        if kind is None:
            return None
        result = folder / RESULTS[kind]
        files = [folder / name for name in ("recipe.json", "history.json", "history.jsonl", "measured.json")]
        changed_at = max(map(_changed_at, (folder, result, *files)))
        row = SearchRow(folder.name, kind, result.is_file(), changed_at)
        if kind != "search":
            return row
        recipe = self._document(folder / "recipe.json", troubles)
        found = self._document(result, troubles) if row.is_finished else {}
        measured = self._document(folder / "measured.json", troubles)
        return SearchRow(
            row.name,
            kind,
            row.is_finished,
            changed_at,
            one_line(str(recipe.get("space", "")), 80),
            _number(recipe, "target_latency_s"),
            _number(found, "predicted_latency_s"),
            _measured_s(measured.get("network")),
            _score(found),
        )

    def _profile(self, path: Path, troubles: list[str]) -> ProfileRow | None:
        document = self._document(path, troubles)
        latency = document.get("latency_ms")
        p50, p99 = (_number(latency, name) if isinstance(latency, dict) else None for name in ("p50", "p99"))
        if p50 is None or p99 is None:
            return None
        folder = path.parent.parent
        name, emulated = one_line(str(document.get("model", "")), 80), document.get("emulated") is True
        return ProfileRow(f"{folder.parent.name}/{folder.name}", path.stem, name, p50, p99, emulated, _changed_at(path))

    def _target(self, name: str) -> TargetRow:
        folder = self.workspace.root / "measurements" / name
        models = sorted({path.stem.removeprefix("model-") for path in folder.rglob("model-*.json")})
        files = [folder / name for name in ("measurements.sqlite", "measurements.sqlite-wal", "imported.yaml")]
        return TargetRow(
            name,
            tuple(models),
            len({path.parent for path in folder.glob("spaces/*/model-*.json")}),
            sum(1 for _ in folder.glob("profiles/*.json")),
            not files[0].exists(),
            max(map(_changed_at, files)),
        )

    def _document(self, path: Path, troubles: list[str]) -> dict[str, Any]:
        """A JSON object; empty where there is no file, and where it cannot be read, which is reported."""

        def read() -> dict[str, Any] | str:
            try:
                found = load_json(path, "a JSON object", MAX_RECORD_BYTES)
            except LatkitError as error:
                return str(error)
            if not isinstance(found, dict):
                return f"{path}: expected a JSON object"
            shown = (*FIELDS, *([metric.name] if (metric := _metric(found)) else []))
            return {name: found[name] for name in shown if name in found}

        found = self._once(path, read)
        if isinstance(found, str):
            troubles.append(found)
            return {}
        return found or {}

    def _once(self, path: Path, read: Callable[[], Any]) -> Any:
        """What was read of a file, read again when it has changed; None where there is none."""
        try:
            facts = path.stat()
        except OSError:
            return None
        version = facts.st_mtime_ns, facts.st_size
        known = self._saved.get(path)
        if known is None or known[0] != version:
            self._saved[path] = known = version, read()
        return known[1]


def _changed_at(path: Path) -> float:
    """When a file was written; 0 if there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _number(document: dict[str, Any], name: str) -> float | None:
    value = document.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _metric(document: dict[str, Any]) -> Metric | None:
    """Of the task of a record; None for one that is not installed. No torch is imported for one of latkit's own."""
    with suppress(LatkitError):
        return TASKS.get(document.get("task", DEFAULT_TASK)).metric
    return None


def _score(result: dict[str, Any]) -> str:
    """The score of a finished search; empty where there is none."""
    metric = _metric(result)
    value = None if metric is None else _number(result, metric.name)
    return "" if metric is None or value is None else f"{metric.title} {metric.format(value, 2)}"


def _measured_s(network: object) -> float | None:
    """Mean of the two measurements of a search's network; see `NetworkResult`, whose module takes long to import."""
    both = [_number(network, name) for name in ("first_ms", "second_ms")] if isinstance(network, dict) else [None]
    values = [value for value in both if value is not None]
    return sum(values) / len(values) / 1e3 if len(values) == 2 else None
