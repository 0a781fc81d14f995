"""Requests about searches: run, reproduced, compared and reported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PlainSerializer, PlainValidator

from latkit.search.records.strategy import StrategyPlan
from latkit.targets import Target
from latkit.workspace.requests.base import MeasureRequest, PositiveSeconds, Request, SpaceField, TargetField


def _about(value: Target | str | None) -> Target | str | None:
    return Target.parse(value) if isinstance(value, str) and "/" in value else value


About = Annotated[Target | str | None, PlainValidator(_about), PlainSerializer(lambda about: about and str(about))]


class SearchRequest(MeasureRequest):
    """Search for the most accurate network at a latency; several targets or latencies make a series."""

    targets: Annotated[tuple[TargetField, ...], Field(min_length=1)]
    space: SpaceField
    data: str
    """Where the images are: `digits`, an .npz file, a folder, `idx:FOLDER` or `hf:NAME`."""
    latencies_s: Annotated[tuple[PositiveSeconds, ...], Field(min_length=1)]
    """One for all targets, one for each, or several for one target."""
    name: str
    """Folder of the search under `search/`, and the beginning of the names of a series."""
    model: str = "lookup"
    """Kind of latency model."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Fields of `SearchSettings` that differ from the defaults for these images."""
    quick: bool = False
    """A minute's search, to try things out."""
    constraints: dict[str, float] = Field(default_factory=dict)
    """Upper bounds by quantity: `macs`, `params`, `peak_bytes`, or a target in milliseconds."""
    teacher: str | None = None
    """A finished search, whose network the new one learns from as well."""
    baselines: tuple[str, ...] = ()
    """Such as `random:5`, `evolution` and `mobilenetv2`."""
    resume: bool = False
    start_from: str | None = None
    """A trained supernet, with whose weights the search begins; the space is then a chain of its space."""
    strategy: StrategyPlan | None = None
    """Search by a strategy instead of a supernet's gradient. Its evaluator is `trained` or `trained:EPOCHS,EPOCHS`,
    `predicted`, or a registered one with its folder, such as `shared-weights:search/SUPERNET`."""
    workers: Annotated[int, Field(ge=1)] = 1
    """Processes that evaluate what a strategy asks for."""
    cluster: str | None = None
    """Address of a Ray cluster that evaluates; `auto` is the one of this machine."""


class BenchmarkSearchRequest(Request):
    """Replay a search by a strategy on a table of real results. No device and no training is needed."""

    benchmark: str
    """Of `latkit.search.evaluators.EVALUATORS`."""
    data: Path
    """Folder of the table's files."""
    name: str
    """Folder of the search under `search/`."""
    strategy: StrategyPlan
    workers: Annotated[int, Field(ge=1)] = 1
    cluster: str | None = None
    resume: bool = False


class ReproduceRequest(Request):
    """Run a finished search again from its recipe, and compare the two bit for bit. Nothing is measured."""

    name: str
    again: str | None = None
    """Name of the reproduction; by default `NAME-again`."""
    data: str | None = None
    """Where the images are now, if they are no longer where the recipe says."""
    teacher: str | None = None
    resume: bool = False
    """Continue an interrupted reproduction."""


class CompareRequest(MeasureRequest):
    """Measure the networks of searches on each other's targets."""

    names: Annotated[tuple[str, ...], Field(min_length=1)]
    """Searches, or series of searches."""
    targets: tuple[TargetField, ...] = ()
    """Further targets to measure on."""
    zoo: bool = False
    """Measure the published networks too."""
    model: str = "lookup"


class ReportRequest(Request):
    """Write one HTML page about a target, a search, or the whole workspace."""

    output: Path
    about: About = None
    """A target, or the name of a search; None for the whole workspace."""
