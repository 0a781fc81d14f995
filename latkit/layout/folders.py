"""The folders of a workspace: where devices, measurements, models and searches are saved."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from latkit.devices import Device, load_device
from latkit.errors import NotMeasured, UsageError
from latkit.latency_models import KernelModel, LatencyModel, get_model_kind
from latkit.measurements import Selection, Store, select
from latkit.ops import OVERHEAD_PROBE, Network, Op
from latkit.spaces import Space
from latkit.targets import NAME, Target, check_name
from latkit.timing import FITTED, Environment, Measurement, Workload

FOLDERS = ("devices", "measurements", "search")

MEASURED_FILE = "measured.json"
"""In a search's folder: its network's measurement on the target, with the prediction."""

REPORT_FILE = "report.html"
"""In a search's folder: its page."""

MAX_NAME_CHARS = 40
"""Characters of a space's name that its folder's name keeps."""

SPACES = "spaces"
"""In a target's folder: the models fitted for each space."""

SPACE_FILE = "space.json"
"""In the folder of a space's models: the space."""


class Folders:
    """A folder with `devices/`, `measurements/` and `search/` in it, and its contents."""

    def __init__(self, root: str | os.PathLike[str] = ".") -> None:
        """Open a workspace. Raises UsageError where there is none."""
        self.root = Path(root)
        missing = [name for name in FOLDERS if not (self.root / name).is_dir()]
        if missing:
            raise UsageError(
                f"{self.root.resolve()} is no workspace: expected the folders {', '.join(FOLDERS)}, but found no "
                f"{' or '.join(missing)}; make one with: latkit init {self.root}"
            )

    @classmethod
    def init(cls, root: str | os.PathLike[str] = ".") -> Self:
        """Make the three folders, keep those that exist, and open the workspace."""
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
        """A registered device. Raises UsageError naming the registered ones."""
        return load_device(self.devices_dir, name)

    def target_dir(self, target: Target) -> Path:
        """Folder of what belongs to one target: `measurements/DEVICE/RUNTIME-tTHREADS-PRECISION-bBATCH`."""
        return self.root / "measurements" / str(target)

    def search_dir(self, name: str) -> Path:
        """Folder of one search."""
        return self.root / "search" / check_name(name, "a search's name")

    def check_search(self, name: str) -> None:
        """Raise UsageError, which names what there is, where nothing of that name was begun."""
        folder = self.search_dir(name)
        if not folder.is_dir():
            known = ", ".join(sorted(path.name for path in folder.parent.iterdir() if path.is_dir())) or "none"
            raise UsageError(f"unknown search {name!r}; known searches: {known}")

    def model_path(self, target: Target, kind: str, space: Space | None = None) -> Path:
        """Where the target's model of that kind is saved: for a space, or of all measurements.

        Raises UsageError for an unknown kind.
        """
        name = get_model_kind(kind, LatencyModel).kind
        folder = self.target_dir(target)
        return (folder if space is None else folder / SPACES / folder_name(space)) / f"model-{name}.json"

    def kernel_model_path(self, target: Target) -> Path:
        """Where the target's model of external networks is saved."""
        return self.model_path(target, KernelModel.kind)

    def fusion_path(self, target: Target) -> Path:
        """Where the fusion rules of the target's runtime are saved."""
        return self.target_dir(target) / "fusion.json"

    def validation_path(self, target: Target, space: Space, kind: str) -> Path:
        """Where the figures of a validation are saved. Spaces of one name that differ have files of their own."""
        return self.target_dir(target) / f"validation-{folder_name(space)}-{kind}.json"

    def old_validation_path(self, target: Target, space: Space, kind: str) -> Path | None:
        """Where version 0.1 saved them: without the space's hash. Spaces of one name replaced each other's there."""
        named = NAME.fullmatch(space.name)
        return self.target_dir(target) / f"validation-{space.name}-{kind}.json" if named else None

    def store(self, target: Target) -> Store:
        """The target's measurements, opened for reading and writing."""
        return Store(self.target_dir(target) / "measurements.sqlite", target)

    def has_measurements(self, target: Target) -> bool:
        """Whether anything was ever collected on the target."""
        return (self.target_dir(target) / "measurements.sqlite").exists()

    def latest_environments(self, device: str) -> dict[Target, Environment]:
        """The latest environment of each target of a device. Raises BadFile."""
        found: dict[Target, Environment] = {}
        for path in sorted((self.root / "measurements" / device).glob("*/measurements.sqlite")):
            target = Target.parse(f"{device}/{path.parent.name}")
            with self.store(target) as store:
                environment = store.latest_environment()
            if environment is not None:
                found[target] = environment
        return found

    def measurements(self, target: Target) -> list[Measurement]:
        """All measurements of a target. Raises NotMeasured if there are none."""
        if not self.has_measurements(target):
            self.device(target.device)
            raise NotMeasured(f"nothing was measured on {target} yet; run: latkit collect space {target} --space SPACE")
        with self.store(target) as store:
            return store.measurements()

    def selection(self, target: Target, space: Space | None = None) -> Selection:
        """Which measurements a fit may use, of one space's ops and networks if it is given, and which are left out."""
        measured = [m for m in self.measurements(target) if m.role in FITTED]
        selection = select(measured)
        used = selection.used if space is None else tuple(of_space(selection.used, space))
        return Selection(used, selection.left_out)


def folder_name(space: Space) -> str:
    """A folder name for a space: the safe part of its own name, and a hash of its ops.

    A space's name comes out of a file and may be anything, such as `../x` or a thousand letters. Spaces of one
    name may differ in resolution or width.
    """
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", space.name)[:MAX_NAME_CHARS].strip("-")
    return f"{safe or 'space'}-{space.key[:8]}"


def fit_workloads(space: Space) -> list[Workload]:
    """What a look-up model of a space needs measured, apart from networks: its ops and the runtime's fixed cost."""
    return [OVERHEAD_PROBE, *space.ops()]


def of_space(measurements: Iterable[Measurement], space: Space, *, every_op: bool = False) -> Iterable[Measurement]:
    """The measurements of the space's ops and networks; with `every_op`, those of all other ops as well."""
    ops = {*space.ops(), OVERHEAD_PROBE}
    for measurement in measurements:
        workload = measurement.workload
        belongs = workload in ops or (every_op and isinstance(workload, Op))
        if isinstance(workload, Network):
            belongs = ops.issuperset(workload.ops) if measurement.role == "pair" else space.holds(workload)
        if belongs:
            yield measurement
