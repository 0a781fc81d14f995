"""The files of a supernet and of the sub-networks that were specialized from it, read once for all sections."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from latkit._io import reading
from latkit.errors import BadFile, LatkitError
from latkit.evaluation.cross_table import CROSS_FILE, Cell, CrossTable
from latkit.evaluation.validation import MeasuredNetwork
from latkit.latency_models import AdditiveModel
from latkit.layout import MEASURED_FILE, FittedModels
from latkit.ops import Network, make_op
from latkit.report.sections.searches.layers import Placed
from latkit.search.history import EXPECTED, read_history
from latkit.search.once_for_all.records import SUPERNET_FILES, SupernetRecipe, SupernetResult
from latkit.search.once_for_all.subnets.evaluated import EVALUATED_FILE, PREDICTOR_REPORT_FILE, scored
from latkit.search.once_for_all.subnets.score_predictor import PredictorReport
from latkit.search.once_for_all.subnets.specialize import RESULT_FILE, SPECIALIZED, Specialized
from latkit.search.once_for_all.training.nets import as_elastic
from latkit.search.records.base import load_record
from latkit.search.records.result import FILES, exported_files
from latkit.search.tasks import Metric
from latkit.spaces import Space, load_saved
from latkit.spaces.base import Architecture
from latkit.spaces.elastic import ElasticSpace
from latkit.tables import ElasticTable
from latkit.targets import Target

MAX_EVALUATED = 20_000
"""Evaluated sub-networks that a page draws."""

LINKED = ("weights", "architecture")


@dataclass(frozen=True)
class SubnetFacts:
    """A sub-network that was specialized, and its files."""

    name: str
    """Of its folder."""
    result: Specialized
    network: Network
    measured: MeasuredNetwork | None
    links: dict[str, str]
    """Addresses of its files as seen from the page, by file name."""


@dataclass(frozen=True)
class SupernetFacts:
    """A trained supernet and everything that was done with it."""

    name: str
    recipe: SupernetRecipe
    result: SupernetResult | None
    """None where its training is not finished."""
    space: Space
    """Elastic where sub-networks were specialized."""
    evaluated: dict[Architecture, float]
    """Validation scores of sub-networks with the supernet's weights."""
    predictor: PredictorReport | None
    found: tuple[SubnetFacts, ...]
    models: dict[str, AdditiveModel]
    """Of the targets, where they still know the space's ops."""
    measured_cross: CrossTable | None

    @property
    def metric(self) -> Metric:
        """The metric of the task."""
        assert self.result is not None
        return self.result.metric

    @property
    def elastic(self) -> ElasticSpace:
        """The space of sub-networks that were specialized. Raises UsageError for a chain."""
        return as_elastic(self.space, "specialized sub-networks")

    @property
    def targets(self) -> tuple[str, ...]:
        """Each once, in the order of the folders."""
        return tuple(dict.fromkeys(one.result.target for one in self.found))

    @cached_property
    def tables(self) -> dict[str, ElasticTable]:
        """The latency tables of the targets."""
        return {target: ElasticTable.of_model(self.elastic, model) for target, model in self.models.items()}

    def placed(self, one: SubnetFacts) -> list[Placed]:
        """The layers of a sub-network; blocks that the largest has beyond its depth count as skipped."""
        model, network, subnet = (
            self.models.get(one.result.target),
            one.network,
            self.elastic.subnet(one.result.architecture),
        )
        seconds = model.network_seconds(network) if model else [None] * len(network.ops)
        layers = iter(zip(network.ops, seconds, strict=True))
        parts = self.elastic.layers(subnet.resolution, subnet.width)
        found = [Placed(f"before.{at + 1}", *next(layers)) for at in range(len(parts.before))]
        for number, (stage, blocks) in enumerate(zip(self.elastic.stages, subnet.stages, strict=True), start=1):
            for block in range(1, stage.depths[-1] + 1):
                name = f"stage{number}.block{block}"
                skip = make_op("skip", found[-1].op.output_shape)
                found.append(Placed(name, *next(layers)) if block <= len(blocks) else Placed(name, skip, 0.0))
        return [*found, *(Placed("head", op, taken) for op, taken in layers)]

    def predicted_cell(self, one: SubnetFacts, target: str) -> Cell:
        """What a target's model says of a sub-network, and what was measured there."""
        model, measured = self.models.get(target), one.measured if one.result.target == target else None
        return Cell(
            predicted_ms=1e3 * model.predict(one.network).seconds if model else None,
            first_ms=measured.network.first_ms if measured else None,
            second_ms=measured.network.second_ms if measured else None,
        )


def read_supernet(workspace: FittedModels, name: str, page_folder: Path = Path()) -> SupernetFacts:
    """Everything that a supernet's folder has. Raises BadFile.

    `page_folder`: where the page is written, from which files are linked.
    """
    folder = workspace.search_dir(name)
    space = load_saved(folder / SUPERNET_FILES["space"])
    result = folder / SUPERNET_FILES["result"]
    report = folder / PREDICTOR_REPORT_FILE
    found = tuple(_subnets(folder, space, page_folder))
    models = {target: _model(workspace, target, space) for target in {one.result.target for one in found}}
    return SupernetFacts(
        name=name,
        recipe=load_record(SupernetRecipe, folder / SUPERNET_FILES["recipe"]),
        result=load_record(SupernetResult, result) if result.exists() else None,
        space=space,
        evaluated=_evaluated(folder / EVALUATED_FILE, space),
        predictor=load_record(PredictorReport, report) if report.exists() else None,
        found=found,
        models={target: model for target, model in models.items() if model is not None},
        measured_cross=CrossTable.load(folder / CROSS_FILE) if (folder / CROSS_FILE).exists() else None,
    )


def _subnets(folder: Path, space: Space, page_folder: Path) -> Iterator[SubnetFacts]:
    for path in sorted((folder / SPECIALIZED).glob(f"*/{RESULT_FILE}")):
        result, place = load_record(Specialized, path), path.parent
        network = Network.load(place / FILES["architecture"])
        if space.decode(result.architecture) != network:
            raise BadFile(path, f"a sub-network of space {space.name}, as in {FILES['architecture']}", "another one")
        measured = place / MEASURED_FILE
        base = os.path.relpath(place.resolve(), page_folder.resolve())
        names = [*exported_files(place), *(FILES[what] for what in LINKED if (place / FILES[what]).exists())]
        yield SubnetFacts(
            place.name,
            result,
            network,
            load_record(MeasuredNetwork, measured) if measured.exists() else None,
            {name: quote(f"{base}/{name}") for name in names},
        )


def _evaluated(path: Path, space: Space) -> dict[Architecture, float]:
    if not path.exists():
        return {}
    header, entries = read_history(path, MAX_EVALUATED)
    with reading(path, EXPECTED):
        found = dict(scored(one, str(header.get("metric"))) for one in entries)
        return {space.check(one): score for one, score in found.items()}


def _model(workspace: FittedModels, target: str, space: Space) -> AdditiveModel | None:
    """The model of a target, unless it is gone or no longer knows the space's ops."""
    try:
        model = workspace.model(Target.parse(target), space=space)
        model.layer_seconds(space.ops())
    except LatkitError:
        return None
    return model
