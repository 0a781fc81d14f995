"""The verbs on devices, measurements and latency models. None of them needs torch, so that commands start fast."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from latkit.devices import Check, Device, remove_device, trust
from latkit.devices.trust import Named
from latkit.errors import LatkitError
from latkit.evaluation.comparison import Comparison as ModelComparison
from latkit.evaluation.validation import Validation
from latkit.layout import TargetState, target_states
from latkit.layout.jobs import Job, recorded
from latkit.profiling.profile import ModelRequest, Profile, ProfileRequest
from latkit.profiling.profile.run import Outcome as Profiled
from latkit.profiling.scheduler import Outcome
from latkit.progress import SILENT, Callbacks
from latkit.targets import Target
from latkit.workspace.collect import collect
from latkit.workspace.devices import DeviceState, device_states, doctor, register
from latkit.workspace.measurements import (
    Exported,
    Repaired,
    export_measurements,
    import_measurements,
    repair_measurements,
)
from latkit.workspace.models.fit import Fits, fit
from latkit.workspace.models.predict import GraphPrediction, NetworkPrediction, predict
from latkit.workspace.models.validate import validate
from latkit.workspace.profiling.comparisons import compare_models
from latkit.workspace.profiling.modules import profile_module
from latkit.workspace.profiling.profiles import profile_models
from latkit.workspace.profiling.target_session import MeasuringWorkspace
from latkit.workspace.requests import (
    AddDeviceRequest,
    CollectRequest,
    DoctorRequest,
    ExportMeasurementsRequest,
    FitRequest,
    ImportMeasurementsRequest,
    PredictRequest,
    ValidateRequest,
)


class TargetVerbs(MeasuringWorkspace):
    """A workspace, and what can be done with its devices and targets. Each verb raises as its own module says."""

    def add_device(self, request: AddDeviceRequest) -> Device:
        """Probe a device and write its file."""
        return register(self, request)

    def devices(self, *names: str) -> list[DeviceState]:
        """These registered devices, by default all, with who uses them."""
        return device_states(self, *names)

    def targets(self) -> list[TargetState]:
        """The targets that were measured or imported, and what there is of each."""
        return target_states(self)

    def doctor(self, request: DoctorRequest, callbacks: Callbacks = SILENT) -> list[Check]:
        """Examine a device; each failing check has its remedy."""
        return doctor(self, request, callbacks)

    def trust(self, name: str) -> list[Named]:
        """Confirm the files on this machine that a device's file names."""
        return trust(self.device(name))

    def remove_device(self, name: str, keep_files: bool = False) -> LatkitError | None:
        """Forget a device; returns why its files are still on it, if they are."""
        return remove_device(self.devices_dir, name, keep_files)

    def profile(
        self,
        request: ProfileRequest | Target,
        module: object = None,
        example: object = None,
        callbacks: Callbacks = SILENT,
    ) -> Profiled:
        """Profile model files on a target, and save the profiles: `profile(ProfileRequest(...))`.

        Or one file, `profile(target, "model.onnx")`, which may also end in `.tflite` or, as `torch.export.save` writes
        it, in `.pt2`. Or a torch module, with a tensor or a tuple of tensors as its inputs:
        `profile(target, module, example)`.
        """
        if isinstance(request, Target) and isinstance(module, str | Path) and example is None:
            request = ProfileRequest(target=request, models=(ModelRequest(Path(module)),))
        target = request.target if isinstance(request, ProfileRequest) else request
        with recorded(self.root, Job("profile", (str(target),)), callbacks) as callbacks:
            if isinstance(request, ProfileRequest):
                return profile_models(self, request, callbacks)
            return profile_module(self, request, module, example, callbacks)

    def compare_models(
        self, request: ProfileRequest, callbacks: Callbacks = SILENT
    ) -> tuple[ModelComparison, tuple[Profile, ...]]:
        """Profile two model files, and compare them in interleaved passes; returns the difference and both profiles."""
        names = ", ".join(model.path.name for model in request.models)
        with recorded(self.root, Job("profile", (str(request.target),), names), callbacks) as callbacks:
            return compare_models(self, request, callbacks)

    def collect(self, request: CollectRequest, callbacks: Callbacks = SILENT) -> list[Outcome]:
        """Measure what targets lack; the outcome of each."""
        job = Job("collect", tuple(map(str, request.targets)), request.subject)
        with recorded(self.root, job, callbacks) as callbacks:
            return collect(self, request, callbacks)

    def fit(self, request: FitRequest) -> Fits:
        """Fit the latency models of a target, and save them with it."""
        job = Job("fit", (str(request.target),), request.space.name if request.space else "")
        with recorded(self.root, job, SILENT):
            return fit(self, request)

    def validate(self, request: ValidateRequest, callbacks: Callbacks = SILENT) -> Validation:
        """Compare predictions with measurements of networks that the model has not seen, and save the figures."""
        job = Job("validate", (str(request.target),), request.space.name)
        with recorded(self.root, job, callbacks) as callbacks:
            return validate(self, request, callbacks)

    def predict(self, request: PredictRequest, callbacks: Callbacks = SILENT) -> NetworkPrediction | GraphPrediction:
        """Predict a network's latency."""
        return predict(self, request, callbacks)

    def export_measurements(self, request: ExportMeasurementsRequest) -> Exported:
        """Write a target's measurements as Parquet with a card."""
        return export_measurements(self, request)

    def import_measurements(self, request: ImportMeasurementsRequest) -> Mapping[str, int]:
        """Read measurements made elsewhere; the number of rounds read, by target."""
        return import_measurements(self, request)

    def repair_measurements(self, target: Target) -> Repaired:
        """Remove what cannot be read from a target's measurements."""
        return repair_measurements(self, target)
