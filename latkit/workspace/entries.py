"""Which networks take part in a cross table: the derived networks of searches, and the zoo."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from latkit.errors import UsageError
from latkit.evaluation.cross_evaluation import Entry
from latkit.evaluation.validation import MeasuredNetwork
from latkit.layout.folders import MEASURED_FILE, Folders
from latkit.layout.series import SERIES_FILE, Series
from latkit.ops import Network
from latkit.search.baselines import Baselines, ladder
from latkit.search.records.base import load_record
from latkit.search.records.recipe import DataFacts
from latkit.search.records.result import FILES, Recipe, SearchResult
from latkit.spaces import load_saved
from latkit.targets import Target
from latkit.zoo import NETWORKS, load, mobilenet_v2


def all_entries(folders: Folders, names: Sequence[str], published: bool = False) -> list[Entry]:
    """Every network of a cross table of searches: derived, MobileNetV2 as their baseline, the zoo.

    Raises UsageError for a search that is not finished, BadFile.
    """
    derived = derived_entries(folders, names)
    trained = {entry.network: entry for name in names for entry in _trained_mobilenets(folders, name)}
    zoo = zoo_entries((entry.network for entry in derived), published)
    return [*derived, *trained.values(), *(entry for entry in zoo if entry.network not in trained)]


def _trained_mobilenets(folders: Folders, name: str) -> Iterator[Entry]:
    """MobileNetV2 of the widths that were trained as baselines of a search."""
    folder = folders.search_dir(name)
    records = {one.name: one for one in Baselines.load(folder).records if one.kind == "mobilenetv2"}
    for network in ladder(load_saved(folder / FILES["space"])) if records else ():
        if network.name in records:
            record = records[network.name]
            yield Entry(network.name, "baseline", network, score=record.score, data=_data(folder), task=record.task)


def derived_entries(folders: Folders, names: Sequence[str]) -> list[Entry]:
    """The derived networks of searches. Raises UsageError for a search that is not finished."""
    return [_derived(folders, name) for name in names]


def _derived(folders: Folders, name: str) -> Entry:
    folder = folders.search_dir(name)
    if not (folder / FILES["result"]).exists():
        raise UsageError(f"expected a finished search, but {name} is not; finish it with: latkit search ... --resume")
    result, network = load_record(SearchResult, folder / FILES["result"]), Network.load(folder / FILES["architecture"])
    target, target_s = str(target_of(folders, name) or ""), result.target_latency_s
    return Entry(name, "derived", network, target, target_s, result.score, _data(folder), result.task)


def _data(folder: Path) -> DataFacts:
    return load_record(Recipe, folder / FILES["recipe"]).data


def target_of(folders: Folders, name: str) -> Target | None:
    """The target of a search: from its measurement, or from the series it belongs to; None if neither has it."""
    path = folders.search_dir(name) / MEASURED_FILE
    if path.exists():
        return Target.parse(load_record(MeasuredNetwork, path, "a measured network").target)
    for series_file in sorted((folders.root / "search").glob(f"*/{SERIES_FILE}")):
        for member in Series.load(series_file).members:
            if member.name == name:
                return Target.parse(member.target)
    return None


def zoo_entries(networks: Iterable[Network], published: bool = False) -> list[Entry]:
    """The zoo next to these networks: MobileNetV2 built for the same images and number of classes.

    `published`: all published networks as well, at their own 224 px and 1000 classes. They have no score: they are
    not trained here, on the same data.
    """
    shapes = {(network.input_shape, network.output_shape) for network in networks}
    zoo = [load(name) for name in NETWORKS]
    zoo = [network for network in zoo if published or (network.input_shape, network.output_shape) in shapes]
    for (channels, height, width), (classes,) in sorted(shapes):
        made = mobilenet_v2(1.0, height, classes, channels)
        if height == width and made not in zoo:
            zoo.append(replace(made, name=f"{made.name}-{height}px"))
    return [Entry(network.title, "zoo", network) for network in zoo]


def targets_of(entries: Iterable[Entry]) -> list[Target]:
    """The targets of the networks' searches. Raises UsageError if none is known."""
    targets = [Target.parse(target) for target in dict.fromkeys(entry.target for entry in entries) if target]
    if not targets:
        raise UsageError("expected searches whose network was measured on a target, but found none")
    return targets
