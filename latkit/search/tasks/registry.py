"""The known tasks by name: those of latkit and those that plug-ins add."""

from __future__ import annotations

from latkit._registry import Registry
from latkit.search.tasks.base import Task
from latkit.search.tasks.names import DEFAULT_TASK

TASKS: Registry[Task] = Registry(
    "task", "latkit.tasks", Task, {DEFAULT_TASK: "latkit.search.tasks.classification:CLASSIFICATION"}
)
"""The known tasks. A plug-in adds one with an entry point of the group `latkit.tasks`."""
