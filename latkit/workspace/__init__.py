"""The workspace: three folders for a person's inputs and results, and the verbs on them."""

from latkit.workspace.layout import FOLDERS, MEASURED_FILE, REPORT_FILE, fit_workloads
from latkit.workspace.models import check_tool, pinned_as
from latkit.workspace.workspace import Workspace

__all__ = ["FOLDERS", "MEASURED_FILE", "REPORT_FILE", "Workspace", "check_tool", "fit_workloads", "pinned_as"]
