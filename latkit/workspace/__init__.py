"""The workspace: three folders for a person's inputs and results, and the verbs on them.

Names are imported when they are first used: a part of them needs torch. `__init__.pyi` lists them for type checkers.
"""

from importlib import import_module
from typing import Any

from latkit._io.extras import naming_extras

_HOMES = {
    "FOLDERS": "latkit.layout",
    "MEASURED_FILE": "latkit.layout",
    "REPORT_FILE": "latkit.layout",
    "fit_workloads": "latkit.layout",
    "MeasureOptions": "latkit.workspace.profiling.target_session",
    "TargetVerbs": "latkit.workspace.target_verbs",
    "Workspace": "latkit.workspace.workspace",
    "check_tool": "latkit.workspace.models.fitting",
    "pinned_as": "latkit.workspace.models.fitting",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562). Raises MissingExtra."""
    if name in _HOMES:
        with naming_extras():
            return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'latkit.workspace' has no attribute {name!r}")
