"""Optional packages: which extra of latkit installs each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from latkit.errors import MissingExtra

EXTRAS = {
    "torch": "collect",
    "safetensors": "collect",
    "xgboost": "collect",
    "sklearn": "collect",
    "lightning_fabric": "search",
    "PIL": "search",
    "plotly": "report",
    "polars": "parquet",
}
"""The smallest extra that installs a package, by the name that is imported."""


def missing_extra(error: BaseException) -> MissingExtra | None:
    """A failed import of an optional package as the error that names its extra; None for any other error."""
    package = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return MissingExtra(package, EXTRAS[package]) if package in EXTRAS else None


@contextmanager
def naming_extras() -> Iterator[None]:
    """Context manager: a failed import of an optional package raises MissingExtra."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        raise missing from error
