"""Names of the task that is meant where none is named, and of its metric, for code that needs no task object."""

from __future__ import annotations

DEFAULT_TASK = "classification"
DEFAULT_METRIC = "accuracy"
"""The name of its metric: the quantity of benchmark tables, the field of records, and the usual goal."""
VALIDATION_METRIC, TEST_METRIC = f"val_{DEFAULT_METRIC}", f"test_{DEFAULT_METRIC}"
"""The same on validation and on test images, in benchmarks that have both."""
