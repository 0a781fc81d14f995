"""A search request with everything that it names loaded: what all searches of a series share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from latkit.devices import BenchmarkTool
from latkit.layout import Folders
from latkit.layout.series import Series
from latkit.search import Constraint, DataSplit, SearchSettings, TrainedNetwork, load_data, load_network
from latkit.search.baselines import BaselineRequest
from latkit.search.baselines.run import check_baselines
from latkit.search.once_for_all.trained import check_same_classes, load_supernet, read_supernet_recipe
from latkit.search.records.strategy import StrategyPlan
from latkit.search.supernet.elastic.inheritance import SupernetStart
from latkit.search.tasks import TASKS
from latkit.spaces import Space
from latkit.workspace.models.fitting import ModelFitting
from latkit.workspace.requests.search import SearchRequest
from latkit.workspace.searches.constraints import constraints_of


@dataclass(frozen=True, slots=True)
class SearchJob:
    """The inputs of every search of a series; see `SearchRequest`."""

    series: Series
    space: Space
    data: DataSplit
    settings: SearchSettings
    kind: str = "lookup"
    """Of the latency model."""
    constraints: Sequence[Constraint] = ()
    teacher: TrainedNetwork | None = None
    baselines: Sequence[BaselineRequest] = ()
    tool: BenchmarkTool | None = None
    wait_s: float = 0.0
    plan: StrategyPlan | None = None
    """Of a search by a strategy."""
    workers: int = 1
    cluster: str | None = None
    start: SupernetStart | None = None
    """Weights of a supernet that the searches begin with."""

    @classmethod
    def of(cls, workspace: ModelFitting, request: SearchRequest, data: DataSplit | None = None) -> SearchJob:
        """Load what a request names; `data` instead of its images. Raises UsageError, BadFile, NotMeasured."""
        teacher = load_network(workspace.search_dir(request.teacher)) if request.teacher else None
        series = Series.plan(request.name, request.targets, request.latencies_s)
        tool = request.tool(request.targets)
        images = data or load_data(request.data, request.space.input_shape[-1], request.space.input_shape[0])
        settings = settings_of(request, images)
        baselines = [BaselineRequest.parse(text) for text in request.baselines]
        check_baselines(settings, baselines)
        constraints = constraints_of(workspace, request.space, request.constraints, request.model)
        return cls(
            series,
            request.space,
            images,
            settings,
            request.model,
            constraints,
            teacher,
            baselines,
            tool,
            request.wait_s,
            request.strategy,
            request.workers,
            request.cluster,
            _start(workspace, request, images),
        )


def _start(workspace: ModelFitting, request: SearchRequest, data: DataSplit) -> SupernetStart | None:
    """The weights to begin with. Raises UsageError for another space, and other classes than the supernet's."""
    if request.start_from is None:
        return None
    trained = load_supernet(workspace.search_dir(request.start_from))
    check_same_classes(data, trained.recipe)
    start = SupernetStart(trained.net, trained.result.weights_sha256)
    start.chain(request.space)
    return start


def settings_of(request: SearchRequest, data: DataSplit) -> SearchSettings:
    """The settings that fit the images, with the request's changes. Raises UsageError, also for an unknown task."""
    if request.quick:
        settings = SearchSettings.quick(**request.settings)
    else:
        settings = SearchSettings.for_images(len(data.train.labels), **request.settings)
    TASKS.get(settings.task)
    return settings


def started_inputs(
    folders: Folders, name: str | None, data: str | None, resolution: int | None, width: float | None
) -> tuple[Space | None, str | None]:
    """The space and the images of a search that starts from a supernet's weights; None and `data` without one.

    `data`: instead of the supernet's images. Raises UsageError for a supernet that is not there, and for a resolution
    or width that it lacks.
    """
    if name is None:
        return None, data
    recipe, space = read_supernet_recipe(folders.search_dir(name))
    return space.chain_at(resolution, width), data or recipe.data.source
