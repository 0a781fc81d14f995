"""Reports: one self-contained HTML page about a target, a search, or a whole workspace.

Names are imported when they are first used: they need torch and plotly, and the live view uses only the style.
`__init__.pyi` lists them for type checkers.
"""

from importlib import import_module
from typing import Any

_HOMES = {"write_report": "latkit.report.write"}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'latkit.report' has no attribute {name!r}")
