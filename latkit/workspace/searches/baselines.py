"""The baselines of a search in a workspace: trained like its network, and measured on its target."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from latkit.errors import DeviceError, NotMeasured
from latkit.evaluation.validation import measured_seconds
from latkit.latency_models import AdditiveModel
from latkit.layout.series import Member
from latkit.ops import Network
from latkit.profiling import Collection
from latkit.progress import Callbacks
from latkit.search.baselines import BASELINES_FILE, BaselineRecord, BaselineRequest, Baselines, check_narrowest
from latkit.search.baselines.run import run_baselines
from latkit.search.records.problem import Problem
from latkit.spaces import Space
from latkit.targets import Target
from latkit.workspace.models.fitting import pinned_as
from latkit.workspace.profiling.target_session import MeasureOptions, MeasuringWorkspace
from latkit.workspace.searches.search_job import SearchJob


@dataclass(frozen=True, slots=True)
class NetworkTimer:
    """How networks are measured on a target: as the ops of its model were."""

    workspace: MeasuringWorkspace
    target: Target
    model: AdditiveModel
    options: MeasureOptions
    callbacks: Callbacks

    @classmethod
    def of(
        cls, workspace: MeasuringWorkspace, job: SearchJob, member: Member, model: AdditiveModel, callbacks: Callbacks
    ) -> NetworkTimer:
        """For one search of a job."""
        options = MeasureOptions(wait_s=job.wait_s, cores=pinned_as(model), tool=job.tool)
        return cls(workspace, Target.parse(member.target), model, options, callbacks)

    def collection(self) -> AbstractContextManager[Collection]:
        """The leased target."""
        return self.workspace.collection(self.target, self.options, self.callbacks)

    def seconds(self, network: Network) -> float:
        """A network's latency, whether the model knows it or not."""
        with self.collection() as collection:
            return measured_seconds(collection, self.model, network)


def search_baselines(timer: NetworkTimer, problem: Problem, name: str, requested: Sequence[BaselineRequest]) -> None:
    """Train and measure the missing baselines of the search `search/NAME/`, one kind after the other.

    MobileNetV2's width is chosen by measuring. Raises as `run_baselines` and `MeasuringWorkspace.collection` do.
    """
    folder = timer.workspace.search_dir(name)
    for one in requested:
        baselines = run_baselines(problem, folder, [one], timer.seconds, timer.callbacks.progress)
        for record in baselines.records:
            if record.measured_latency_s is None:
                baselines = baselines.with_record(_measured(timer, problem.space, record))
                baselines.save(folder / BASELINES_FILE)


def check_mobilenet(
    timer: NetworkTimer, space: Space, target_s: float, name: str, requested: Sequence[BaselineRequest]
) -> None:
    """Raise TargetOutOfReach if MobileNetV2 is requested and even its narrowest network is slower than the target.

    This takes one measurement, which is saved for the baseline, and spares a futile search. If the device is not
    available now, that is reported and the search may begin.
    """
    records = Baselines.load(timer.workspace.search_dir(name)).records
    if not any(one.kind == "mobilenetv2" for one in requested) or any(one.kind == "mobilenetv2" for one in records):
        return
    try:
        check_narrowest(space, target_s, timer.seconds)
    except (DeviceError, NotMeasured) as error:
        timer.callbacks.on_message(f"whether a MobileNetV2 is fast enough will be known after the search: {error}")


def _measured(timer: NetworkTimer, space: Space, record: BaselineRecord) -> BaselineRecord:
    """The record with its latency on the target; that of MobileNetV2 was measured when its width was chosen."""
    seconds = record.predicted_latency_s
    if record.architecture is not None:
        seconds = timer.seconds(space.decode(record.architecture, record.name))
    return record.model_copy(update={"measured_latency_s": seconds})
