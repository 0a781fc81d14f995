"""The workspace: three folders that hold what a person puts in and gets out."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from latkit.collect import Collection, Exporter, keep_scale, on_scale, recheck
from latkit.devices import (
    COOLING,
    Check,
    Cooling,
    Device,
    RecoveringSession,
    Tell,
    host_boot_id,
    leased,
    load_device,
    open_session,
    open_unchanged,
    parse_cores,
    quarantining,
    setup_changes,
)
from latkit.errors import LatkitError, NotMeasured, UsageError
from latkit.measurements import Selection, Store, select
from latkit.models import (
    KINDS,
    MODELS,
    LatencyModel,
    LookupModel,
    TransferModel,
    choose_networks,
    load_model,
    save_model,
)
from latkit.models.kernels import KernelModel, Prediction, load_kernel_model, save_kernel_model
from latkit.models.kernels.fusion_file import FusionFile
from latkit.models.keys import KeyTable, imported_model
from latkit.ops import FIXED_COST, Network, Op
from latkit.progress import Progress
from latkit.runtimes import Artefact
from latkit.runtimes.cache import ArtefactCache
from latkit.runtimes.onnx_module import graph_of_module
from latkit.runtimes.onnx_network import embed_network
from latkit.search import DataSplit, SearchResult, SearchSettings, run_search
from latkit.spaces import Space
from latkit.tables import LatencyTable
from latkit.targets import Target, check_name
from latkit.timing import DEFAULT_ESTIMATOR, DRIFT, REFERENCE, Measurement, Scale, Setup, Subject, TimingPlan
from latkit.validate import MeasuredNetwork, measure_network

MEASURED_FILE = "measured.json"
"""In a search's folder: its network, measured on its target beside what was predicted."""

FOLDERS = ("devices", "measurements", "search")


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search found, and how fast it is on its target."""

    target: Target
    result: SearchResult
    measured: MeasuredNetwork
    folder: Path

    def document(self) -> dict[str, Any]:
        """The figures of the command line."""
        result = self.result
        return {
            "target": str(self.target),
            "space": result.space,
            "target_latency_ms": 1e3 * result.target_latency_s,
            "predicted_latency_ms": 1e3 * result.predicted_latency_s,
            "measured_latency_ms": self.measured.network.measured_ms,
            "emulated": self.measured.emulated,
            "accuracy": result.accuracy,
            "macs": result.macs,
            "parameters": result.parameters,
            "architecture": list(result.architecture),
            "ops": list(result.ops),
            "seconds": sum(result.seconds.values()),
            "notes": list(result.notes),
            "files": {name: str(self.folder / file) for name, file in result.files.items()}
            | {"measured": str(self.folder / MEASURED_FILE)},
        }


class Workspace:
    """A folder with `devices/`, `measurements/` and `search/` in it."""

    def __init__(self, root: str | os.PathLike[str] = ".") -> None:
        """Open a workspace. Raises UsageError where there is none."""
        self.root = Path(root)
        self._exporting = threading.Lock()  # exporters trace with global state: one at a time
        missing = [name for name in FOLDERS if not (self.root / name).is_dir()]
        if missing:
            raise UsageError(
                f"{self.root.resolve()} is no workspace: expected the folders {', '.join(FOLDERS)}, but "
                f"{', '.join(missing)} is missing; make one with: latkit init {self.root}"
            )

    @classmethod
    def init(cls, root: str | os.PathLike[str] = ".") -> Self:
        """Make the three folders, keeping those that are there, and open the workspace."""
        for name in FOLDERS:
            path = Path(root) / name
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(f"expected to make the folder {path}, but found: {error.strerror}") from error
        return cls(root)

    @property
    def devices_dir(self) -> Path:
        """Folder of the device files."""
        return self.root / "devices"

    def device(self, name: str) -> Device:
        """A registered device. Raises UsageError naming those that are."""
        return load_device(self.devices_dir, name)

    def target_dir(self, target: Target) -> Path:
        """Folder of what belongs to one target: `measurements/DEVICE/RUNTIME-tTHREADS-PRECISION-bBATCH`."""
        return self.root / "measurements" / str(target)

    def search_dir(self, name: str) -> Path:
        """Folder of one search."""
        return self.root / "search" / check_name(name, "a search's name")

    def store(self, target: Target) -> Store:
        """The target's measurements, opened for reading and writing."""
        return Store(self.target_dir(target) / "measurements.sqlite", target)

    @contextmanager
    def collection(
        self,
        target: Target,
        plan: TimingPlan,
        progress: Progress,
        wait_s: float = 0.0,
        tell: Tell = lambda _text: None,
        cores: tuple[int, ...] = (),
        cooling: Cooling = COOLING,
        new_scale: bool = False,
    ) -> Iterator[Collection]:
        """Everything that is needed to measure on a target: its device at work, its store, the cache of artefacts.

        The device is leased meanwhile: DeviceBusy where it stays somebody else's for `wait_s` seconds. It is put into
        quarantine when it fails again and again, and refused with DeviceQuarantined if it is there already. `tell`
        receives what a person should know at once: waiting, faults, a device that was booted anew or has changed.
        `cores`: those to pin to; raises UsageError where the device lacks them, and MeasurementConflict where it is
        another machine than its file says. `cooling`: when visits wait for a hot device to cool.
        """
        device = self.device(target.device)
        with (
            quarantining(self.devices_dir, device.name),
            leased(device, str(target), wait_s, tell) as lease,
            RecoveringSession(
                device.name,
                lambda: open_unchanged(device, target, cores, tell, cooling, lease.hold_machine),
                tell,
                lease.renew,
            ) as session,
            self.store(target) as store,
        ):
            elsewhere = session.boot_id not in ("", host_boot_id())
            collection = Collection(session, store, self.exporter(target), plan, progress, overlapping=elsewhere)
            _tell_what_changed(collection, session.boot_id, tell)
            collection = on_scale(collection, collection.export(REFERENCE), new_scale, tell)
            yield collection
            keep_scale(store, collection.setup())

    def exporter(self, target: Target) -> Exporter:
        """Gives the artefacts of subjects for a target, from the cache where they are there; for any thread."""
        cache = ArtefactCache()

        def export(subject: Subject) -> Artefact:
            with self._exporting:
                return cache.artefact(subject, target)

        return export

    def has_measurements(self, target: Target) -> bool:
        """Whether anything was ever collected on the target."""
        return (self.target_dir(target) / "measurements.sqlite").exists()

    def latest_setups(self, device: str) -> dict[Target, Setup]:
        """Under what each target of a device was measured last. Raises BadFile."""
        found: dict[Target, Setup] = {}
        for path in sorted((self.root / "measurements" / device).glob("*/measurements.sqlite")):
            target = Target.parse(f"{device}/{path.parent.name}")
            with self.store(target) as store:
                setup = store.latest_setup()
            if setup is not None:
                found[target] = setup
        return found

    def check_scales(self, device: str) -> Iterator[Check]:
        """Whether the reference still takes on each measured target what is kept as its latency there."""
        for target, setup in self.latest_setups(device).items():
            with self.store(target) as store:
                scale = store.scale(setup)
            if scale is not None:
                try:
                    yield self._check_scale(target, setup, scale)
                except LatkitError as error:
                    yield Check(f"scale {target}", None, str(error), "see what else fails")

    def _check_scale(self, target: Target, setup: Setup, scale: Scale) -> Check:
        with open_session(self.device(target.device), target, cores=parse_cores(setup.affinity)) as session:
            found = recheck(session, self.exporter(target)(REFERENCE), scale, target)
        remedy = f"if it is to stay so: latkit collect {target} --space SPACE --new-scale" if found.changed else ""
        ok = False if found.changed else None if abs(found.moved) > DRIFT else True
        return Check(f"scale {target}", ok, str(found), remedy)

    def measurements(self, target: Target) -> list[Measurement]:
        """Everything measured on a target. Raises NotMeasured where nothing was."""
        if not self.has_measurements(target):
            self.device(target.device)
            raise NotMeasured(f"nothing was measured on {target} yet; run: latkit collect {target} --space SPACE")
        with self.store(target) as store:
            return store.measurements()

    def selection(self, target: Target, space: Space | None = None) -> Selection:
        """Which measurements a fit may use, of one space's ops and networks if it is given, and what it leaves out."""
        measured = [m for m in self.measurements(target) if m.role == "fit"]
        selection = select(measured)
        used = selection.used if space is None else tuple(_of_space(selection.used, space))
        return Selection(used, selection.left_out)

    def fit(
        self, target: Target, space: Space | None = None, kind: str = "lookup", estimator: str = DEFAULT_ESTIMATOR
    ) -> LatencyModel:
        """Fit a model on what was measured, and keep it with the target.

        With a space, only its ops and networks are used, by a model that learns from ops (`LatencyModel.learns`) other
        ops as well, and the model must know all of the space's ops. `estimator`: how samples become a latency, one of
        `latkit.timing.ESTIMATORS`. Raises NotMeasured.
        """
        path = self.model_path(target, kind)
        used = self.selection(target).used
        if space is not None:
            used = tuple(_of_space(used, space, every_op=MODELS[kind].learns))
        model = MODELS[kind]().fit(used, estimator)
        if space is not None:
            model.layer_seconds(space.ops())
        save_model(model, path)
        return model

    def fit_from(
        self, target: Target, sources: Sequence[Target], space: Space, estimator: str = DEFAULT_ESTIMATOR
    ) -> TransferModel:
        """Fit a model of a space's ops on a few networks measured on the target, and on all that other targets know.

        It is kept with the target. Raises NotMeasured where a source lacks an op of the space, or the target networks.
        """
        model = TransferModel(self._sources(target, sources, space, estimator), space.ops())
        model.fit(self.selection(target, space).used, estimator)
        save_model(model, self.model_path(target, model.kind))
        return model

    def networks_to_measure(self, target: Target, sources: Sequence[Target], space: Space, count: int) -> list[Network]:
        """The networks of a space that tell most about a target that others are known beside: `count` in all.

        Those measured there already count among them. Raises as `fit_from` does.
        """
        done: list[Network] = []
        if self.has_measurements(target):
            subjects = [measurement.subject for measurement in self.selection(target, space).used]
            done = [subject for subject in subjects if isinstance(subject, Network)]
        models = list(self._sources(target, sources, space).values())
        return [*done, *choose_networks(space, models, max(count - len(done), 0), done)]

    def _sources(
        self, target: Target, sources: Sequence[Target], space: Space, estimator: str = DEFAULT_ESTIMATOR
    ) -> dict[Target, LatencyModel]:
        if target in sources:
            raise UsageError(f"expected other targets to learn from, but found {target} itself")
        return {source: LookupModel().fit(self.selection(source, space).used, estimator) for source in sources}

    def import_table(self, path: str | os.PathLike[str], target: Target) -> tuple[KeyTable, LatencyModel]:
        """Keep a table of ProxylessNAS or Once-for-all as a target's look-up model, marked as imported.

        Raises BadFile, and UsageError where anything was measured on the target: the two do not mix.
        """
        if self.has_measurements(target):
            raise UsageError(f"{target} was measured here; import the table under the name of another device")
        table = KeyTable.read(path)
        model = imported_model(table, target)
        self.target_dir(target).mkdir(parents=True, exist_ok=True)
        (self.target_dir(target) / "imported.yaml").write_bytes(Path(path).read_bytes())
        save_model(model, self.model_path(target, model.kind))
        return table, model

    def model(self, target: Target, kind: str = "lookup") -> LatencyModel:
        """The model that `fit` kept. Raises NotMeasured where there is none."""
        path = self.model_path(target, kind)
        if not path.exists():
            self.device(target.device)
            raise NotMeasured(f"no {kind} model of {target} was fitted yet; run: latkit fit {target}")
        return load_model(path)

    def fusion_path(self, target: Target) -> Path:
        """Where the rules by which the target's runtime fuses are kept."""
        return self.target_dir(target) / "fusion.json"

    def kernel_model_path(self, target: Target) -> Path:
        """Where the target's model of foreign networks is kept."""
        return self.target_dir(target) / "model-kernels.json"

    def fit_kernels(self, target: Target, estimator: str = DEFAULT_ESTIMATOR) -> KernelModel:
        """Fit the model of foreign networks on the graphs that were measured, and keep it with the target.

        Raises NotMeasured where none was.
        """
        if not self.fusion_path(target).exists():
            raise NotMeasured(f"no kernel of {target} was measured yet; run: latkit collect {target} --kernels 400")
        rules = FusionFile.load(self.fusion_path(target)).holding
        model = KernelModel().fit(self.selection(target).used, rules, estimator)
        save_kernel_model(model, self.kernel_model_path(target))
        return model

    def kernel_model(self, target: Target) -> KernelModel:
        """The model that `fit_kernels` kept. Raises NotMeasured where there is none."""
        path = self.kernel_model_path(target)
        if not path.exists():
            self.device(target.device)
            raise NotMeasured(
                f"no foreign network can be predicted on {target} yet; run: latkit collect {target} --kernels 400, "
                f"then: latkit fit {target}"
            )
        return load_kernel_model(path)

    def predict_module(self, target: Target, module: Any, example: Any) -> Prediction:
        """Latency of a torch module on a target, for inputs of exactly the shape of `example`, a tensor.

        The module is exported to ONNX first. Raises ExportError, NotMeasured.
        """
        return self.kernel_model(target).predict(graph_of_module(module, example))

    def search(
        self,
        target: Target,
        space: Space,
        data: DataSplit,
        target_latency_s: float,
        name: str,
        settings: SearchSettings,
        progress: Progress,
        kind: str = "lookup",
        resume: bool = False,
        wait_s: float = 0.0,
        tell: Tell = lambda _text: None,
    ) -> Searched:
        """Search with the target's model in the loop, train and export what is found, and measure it on the target.

        Everything is kept under `search/NAME/`. Raises as `run_search`, `validate.measure_network` and `collection` do.
        """
        model, folder = self.model(target, kind), self.search_dir(name)
        self.device(target.device)
        table = LatencyTable(space, model)
        result = run_search(space, table, data, target_latency_s, settings, folder, progress, resume)
        network = Network.load(folder / result.files["architecture"])
        embed_network(folder / result.files["onnx"], network)
        with self.collection(target, TimingPlan(), progress, wait_s, tell, pinned_as(model)) as collection:
            measured = measure_network(collection, model, network)
        (folder / MEASURED_FILE).write_text(measured.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return Searched(target, result, measured, folder)

    def model_path(self, target: Target, kind: str) -> Path:
        """Where the target's model of that kind is kept. Raises UsageError for an unknown kind."""
        if kind not in KINDS:
            raise UsageError(f"unknown kind of model {kind!r}; known kinds: {', '.join(KINDS)}")
        return self.target_dir(target) / f"model-{kind}.json"

    def validation_path(self, target: Target, space: Space, kind: str) -> Path:
        """Where the figures of a validation are kept."""
        return self.target_dir(target) / f"validation-{space.name}-{kind}.json"


def fit_subjects(space: Space) -> list[Subject]:
    """What a look-up model of a space needs measured, besides networks: its ops and the runtime's fixed cost."""
    return [FIXED_COST, *space.ops()]


def _tell_what_changed(collection: Collection, boot_id: str, tell: Tell) -> None:
    """Tell what differs from the setup of the latest measurements, which Setup keeps apart from new ones."""
    target, before = collection.store.target, collection.store.latest_setup()
    if before is None:
        return
    changed = setup_changes(before, replace(collection.setup(), scale=before.scale))
    if changed:
        tell(f"since {target} was measured last, {changed}; what was measured before is kept apart")
    if boot_id and collection.store.latest_boot_id() not in ("", boot_id):
        tell(f"{target.device} was booted since {target} was measured last")


def pinned_as(model: LatencyModel) -> tuple[int, ...]:
    """The cores on which the model's measurements were made: what is set beside it must run there too."""
    return parse_cores(model.origin_.setup.affinity)


def _of_space(measurements: Iterable[Measurement], space: Space, *, every_op: bool = False) -> Iterable[Measurement]:
    ops = {*space.ops(), FIXED_COST}
    for measurement in measurements:
        subject = measurement.subject
        belongs = subject in ops or (every_op and isinstance(subject, Op))
        if isinstance(subject, Network):
            belongs = space.holds(subject)
        if belongs:
            yield measurement
