"""latkit: neural networks measured on real devices, latency models, and search with latency in the loop.

The names below are imported when they are first used, so that `import latkit` takes no time. `__init__.pyi` lists them
for type checkers.
"""

from importlib import import_module
from typing import Any

from latkit._version import __version__

_HOMES = {
    "AddDeviceRequest": "latkit.workspace.requests",
    "Callbacks": "latkit.progress",
    "CollectRequest": "latkit.workspace.requests",
    "CompareRequest": "latkit.workspace.requests",
    "Device": "latkit.devices",
    "Estimate": "latkit.timing",
    "FitRequest": "latkit.workspace.requests",
    "LatencyModel": "latkit.latency_models",
    "LatencyTable": "latkit.tables",
    "LatkitError": "latkit.errors",
    "LookupModel": "latkit.latency_models",
    "Measurement": "latkit.timing",
    "ModelRequest": "latkit.profiling.profile",
    "Network": "latkit.ops",
    "Op": "latkit.ops",
    "PredictRequest": "latkit.workspace.requests",
    "Profile": "latkit.profiling.profile",
    "ProfileRequest": "latkit.profiling.profile",
    "ReportRequest": "latkit.workspace.requests",
    "ReproduceRequest": "latkit.workspace.requests",
    "SearchRequest": "latkit.workspace.requests",
    "Space": "latkit.spaces",
    "Target": "latkit.targets",
    "TimingPlan": "latkit.timing",
    "TrainSupernetRequest": "latkit.workspace.requests",
    "ValidateRequest": "latkit.workspace.requests",
    "Workspace": "latkit.workspace",
    "XGBoostModel": "latkit.latency_models",
    "build_module": "latkit.nn",
    "make_op": "latkit.ops",
}
_MODULES = ("devices", "latency_models", "measurements", "ops", "runtimes", "search", "spaces", "timing", "zoo")

__all__ = ["__version__", *_HOMES, *_MODULES]


def __dir__() -> list[str]:
    """The public names, for completion."""
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562). Raises MissingExtra."""
    if name in _HOMES or name in _MODULES:
        from latkit._io.extras import naming_extras

        with naming_extras():
            return getattr(import_module(_HOMES[name]), name) if name in _HOMES else import_module(f"latkit.{name}")
    raise AttributeError(f"module 'latkit' has no attribute {name!r}")
