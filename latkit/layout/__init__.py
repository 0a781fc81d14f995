"""Layout: where a workspace keeps its devices, measurements, models and searches."""

from latkit.layout.fitted import FittedModels
from latkit.layout.folders import FOLDERS, MEASURED_FILE, REPORT_FILE, Folders, fit_workloads
from latkit.layout.targets import (
    IMPORTED_TABLE,
    TargetState,
    imported_devices,
    imported_from,
    target_states,
    targets_of,
)

__all__ = [
    "FOLDERS",
    "IMPORTED_TABLE",
    "MEASURED_FILE",
    "REPORT_FILE",
    "FittedModels",
    "Folders",
    "TargetState",
    "fit_workloads",
    "imported_devices",
    "imported_from",
    "target_states",
    "targets_of",
]
