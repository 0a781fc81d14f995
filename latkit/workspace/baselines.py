"""The baselines of a search in a workspace: trained like its network, and measured on its target."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from latkit.devices import BenchmarkTool, OnMessage
from latkit.errors import DeviceError, NotMeasured
from latkit.evaluation.validation import measured_seconds
from latkit.latency_models import AdditiveModel
from latkit.ops import Network
from latkit.profiling import Collection
from latkit.progress import Progress
from latkit.search.baselines import (
    BASELINES_FILE,
    BaselineRecord,
    BaselineRequest,
    Baselines,
    check_narrowest,
    run_baselines,
)
from latkit.search.records.problem import Problem
from latkit.spaces import Space
from latkit.targets import Target
from latkit.timing import TimingPlan
from latkit.workspace.models import pinned_as
from latkit.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Measuring:
    """How networks are measured on a target: as the ops of its model were."""

    workspace: Workspace
    target: Target
    model: AdditiveModel
    progress: Progress
    wait_s: float
    on_message: OnMessage
    tool: BenchmarkTool | None

    def collection(self) -> AbstractContextManager[Collection]:
        """The leased target."""
        return self.workspace.collection(
            self.target,
            TimingPlan(),
            self.progress,
            self.wait_s,
            self.on_message,
            pinned_as(self.model),
            tool=self.tool,
        )

    def seconds(self, network: Network) -> float:
        """A network's latency, whether the model knows it or not."""
        with self.collection() as collection:
            return measured_seconds(collection, self.model, network)


def search_baselines(measuring: Measuring, problem: Problem, name: str, requested: Sequence[BaselineRequest]) -> None:
    """Train and measure the missing baselines of the search `search/NAME/`, one kind after the other.

    MobileNetV2's width is chosen by measuring. Raises as `run_baselines` and `Workspace.collection` do.
    """
    folder = measuring.workspace.search_dir(name)
    for one in requested:
        baselines = run_baselines(problem, folder, [one], measuring.seconds, measuring.progress)
        for record in baselines.records:
            if record.measured_latency_s is None:
                baselines = baselines.with_record(_measured(measuring, problem.space, record))
                baselines.save(folder / BASELINES_FILE)


def check_mobilenet(
    measuring: Measuring, space: Space, target_s: float, name: str, requested: Sequence[BaselineRequest]
) -> None:
    """Raise TargetOutOfReach if MobileNetV2 is requested and even its narrowest network is slower than the target.

    This takes one measurement, which is saved for the baseline, and spares a futile search. If the device is not
    available now, that is reported and the search may begin.
    """
    records = Baselines.load(measuring.workspace.search_dir(name)).records
    if not any(one.kind == "mobilenetv2" for one in requested) or any(one.kind == "mobilenetv2" for one in records):
        return
    try:
        check_narrowest(space, target_s, measuring.seconds)
    except (DeviceError, NotMeasured) as error:
        measuring.on_message(f"whether a MobileNetV2 is fast enough will be known after the search: {error}")


def _measured(measuring: Measuring, space: Space, record: BaselineRecord) -> BaselineRecord:
    """The record with its latency on the target; that of MobileNetV2 was measured when its width was chosen."""
    seconds = record.predicted_latency_s
    if record.architecture is not None:
        seconds = measuring.seconds(space.decode(record.architecture, record.name))
    return record.model_copy(update={"measured_latency_s": seconds})
