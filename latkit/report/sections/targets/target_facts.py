"""What a workspace knows of a target, read once for all sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from latkit.devices import Device
from latkit.errors import UsageError
from latkit.evaluation.validation import Validation
from latkit.latency_models import AdditiveModel, KernelModel, model_kinds
from latkit.layout import FittedModels, imported_from, targets_of
from latkit.layout.external_models import ExternalModel, external_models
from latkit.measurements import Selection, select
from latkit.ops import OVERHEAD_PROBE, Network, Op
from latkit.profiling.profile import Profile
from latkit.profiling.profile.records import oldest_first
from latkit.targets import Target
from latkit.timing import DEFAULT_ESTIMATOR, Estimate, Measurement, Round, estimate, reference_seconds


@dataclass(frozen=True)
class TargetFacts:
    """One target's device, measurements, models and validations; each may be absent."""

    target: Target
    device: Device | None
    measurements: tuple[Measurement, ...]
    models: Mapping[str, AdditiveModel]
    validations: tuple[Validation, ...]
    profiles: tuple[Profile, ...] = ()
    """Of model files, oldest first."""
    imported: str = ""
    """File and hash of the table that its model was imported from; empty if the target was measured."""
    kernels: KernelModel | None = None
    """The model of external networks."""
    external: tuple[ExternalModel, ...] = ()
    """The external models that were collected."""
    published: str = ""
    """A file with its measurements, seen from the workspace, where they are not in its store."""

    @property
    def latest_profiles(self) -> list[Profile]:
        """The latest profile of every model file and its inputs, the first profiled first."""
        return list({profile.model_file.key: profile for profile in self.profiles}.values())

    @property
    def emulated(self) -> bool:
        """Whether any of it was or would be measured on an emulator."""
        registered = self.device is not None and self.device.facts.emulated
        return registered or any(measurement.environment.emulated for measurement in self.measurements)

    @cached_property
    def selection(self) -> Selection:
        """The measurements that a fit would use, and those it would leave out."""
        return select([measurement for measurement in self.measurements if measurement.role == "fit"])

    @cached_property
    def estimator(self) -> str:
        """The fitted models' estimator, or the default one."""
        return next((model.origin_.estimator for model in self.models.values()), DEFAULT_ESTIMATOR)

    @cached_property
    def reference_s(self) -> float | None:
        """The reference's latency on the idle device, in seconds; None if nothing was measured."""
        return reference_seconds(self.selection.used) if self.selection.used else None

    @cached_property
    def fixed_s(self) -> float:
        """The runtime's fixed cost in seconds; 0 if it was not measured."""
        return next((self._estimate(m).seconds for m in self.selection.used if m.workload == OVERHEAD_PROBE), 0.0)

    @cached_property
    def ops(self) -> Mapping[Op, Estimate]:
        """Latency of every op measured alone, without the runtime's fixed cost."""
        op_estimates: dict[Op, Estimate] = {}
        for measurement in self.selection.used:
            op = measurement.workload
            if isinstance(op, Op) and op != OVERHEAD_PROBE:
                op_estimates[op] = self._estimate(measurement).map(lambda seconds: max(seconds - self.fixed_s, 0.0))
        return op_estimates

    @cached_property
    def networks(self) -> Mapping[str, Network]:
        """Every measured network, by its key."""
        workloads = (measurement.workload for measurement in self.measurements)
        return {workload.key: workload for workload in workloads if isinstance(workload, Network)}

    @cached_property
    def rounds(self) -> tuple[Round, ...]:
        """Every round in order of time."""
        every = (one_round for measurement in self.measurements for one_round in measurement.rounds)
        return tuple(sorted(every, key=lambda one_round: one_round.started_at))

    def _estimate(self, measurement: Measurement) -> Estimate:
        assert self.reference_s is not None
        return estimate(measurement, self.reference_s, self.estimator)


def read_target(workspace: FittedModels, target: Target) -> TargetFacts:
    """Everything that is known of a target.

    Raises UsageError if neither its device nor any measurement is known, and BadFile.
    """
    measured = workspace.has_measurements(target)
    registered = (workspace.devices_dir / f"{target.device}.toml").is_file()
    imported = imported_from(workspace, target)
    if not (measured or registered or imported):
        known = ", ".join(map(str, targets_of(workspace))) or "none; run: latkit collect space TARGET --space SPACE"
        raise UsageError(f"unknown target {target}; targets with measurements: {known}")
    folder = workspace.target_dir(target)
    return TargetFacts(
        target,
        workspace.device(target.device) if registered else None,
        tuple(workspace.measurements(target)) if measured else (),
        {
            f"{kind}, {space}" if space else kind: model
            for kind in model_kinds(AdditiveModel)
            for space, model in workspace.models(target, kind)
        },
        tuple(Validation.load(path) for path in sorted(folder.glob("validation-*.json"))),
        tuple(oldest_first(map(Profile.load, folder.glob("profiles/*.json")))),
        imported,
        KernelModel.load(kernels) if (kernels := workspace.kernel_model_path(target)).exists() else None,
        tuple(external_models(folder)),
        "" if measured else next((str(path.relative_to(workspace.root)) for path in folder.glob("*.parquet")), ""),
    )
