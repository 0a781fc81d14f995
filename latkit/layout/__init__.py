"""Layout: where a workspace keeps its devices, measurements, models and searches."""

from latkit.layout.fitted import FittedModels
from latkit.layout.folders import FOLDERS, MEASURED_FILE, REPORT_FILE, Folders, fit_workloads

__all__ = ["FOLDERS", "MEASURED_FILE", "REPORT_FILE", "FittedModels", "Folders", "fit_workloads"]
